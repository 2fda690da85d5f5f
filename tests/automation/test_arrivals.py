"""What the sensor asks for, tick by tick, on folders."""

import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import dagster as dg
import pytest

from vigil_assets.automation import arrivals
from vigil_assets.automation.arrivals import MOST_DAYS, WINDOW_DAYS, Seen, look
from vigil_assets.automation.judge import Judge
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Listed, Store

TODAY = date(2026, 1, 31)


class Listings(Store):
    """A store that counts what it is asked."""

    asked = 0

    def list_from(self, prefix: str, first: str) -> tuple[Listed, ...]:
        self.asked += 1
        return super().list_from(prefix, first)


class Bucket:
    """A node's folder, the lake beside it, and the sensor's cursor."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "raw"
        self.store = Listings(str(self.root))
        self.raw = RawFills(self.store)
        self.lake = Lake(Store(str(folder / "lake")), folder)
        self.cursor: str | None = None

    def put(self, day: date, hour: int, content: str = "x") -> Path:
        path = self.root / f"node_fills_by_block/hourly/{day:%Y%m%d}/{hour}.lz4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def look(self, today: date = TODAY, *, busy: frozenset[date] = frozenset()) -> Seen:
        seen = look(self.raw, self.lake, self.cursor, today, set(busy))
        self.cursor = seen.cursor
        return seen

    def days(self, today: date = TODAY, *, busy: frozenset[date] = frozenset()) -> list[date]:
        """Days asked for at a tick, which are then listed, as their runs do."""
        requests = self.look(today, busy=busy).requests
        found = [day for request in requests for day in arrivals.days_of_run(request)]
        for day in found:
            self.lake.write_manifest(self.raw.manifest(day))
        return found


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    """Begun a while ago, with one hour of today."""
    bucket = Bucket(tmp_path)
    bucket.put(TODAY - timedelta(days=40), 0)
    bucket.lake.write_manifest(bucket.raw.manifest(TODAY - timedelta(days=40)))
    bucket.put(TODAY, 0)
    bucket.days()
    return bucket


def test_a_quiet_tick_is_one_listing_and_no_run(bucket: Bucket) -> None:
    bucket.store.asked = 0
    assert bucket.days() == []
    assert bucket.store.asked == 1


def test_an_hour_of_today_loads_today_and_the_day_whose_last_blocks_it_may_hold(
    bucket: Bucket,
) -> None:
    bucket.put(TODAY, 1)
    assert bucket.days() == [TODAY]
    bucket.put(TODAY - timedelta(days=1), 23)
    bucket.put(TODAY, 0, "changed")
    assert bucket.days() == [TODAY - timedelta(days=1), TODAY]
    assert bucket.days() == []


def test_the_run_key_is_the_day_and_what_it_is_loaded_from(bucket: Bucket) -> None:
    bucket.put(TODAY, 1)
    [request] = bucket.look().requests
    assert request.partition_key == str(TODAY)
    assert request.run_key == f"{TODAY}:{bucket.raw.manifest(TODAY).version}"


def test_the_same_bytes_written_again_are_a_change_of_the_object(bucket: Bucket) -> None:
    path = bucket.put(TODAY, 1)
    assert bucket.days() == [TODAY]
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    assert bucket.days() == [TODAY]


def test_late_days_are_loaded_in_batches_within_the_window(bucket: Bucket) -> None:
    days = [TODAY - timedelta(days=n) for n in range(WINDOW_DAYS + 5, 1, -1)]
    for day in days:
        bucket.put(day, 5)
    requests = bucket.look().requests
    found = [arrivals.days_of_run(one) for one in requests]
    assert [len(one) for one in found] == [10, 10, 9]
    assert sum(found, []) == [day for day in days if (TODAY - day).days <= WINDOW_DAYS]
    assert len({one.run_key for one in requests}) == 3


def test_no_more_than_so_many_days_a_tick(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MOST_DAYS", 2)
    days = [TODAY - timedelta(days=n) for n in (9, 7, 5)]
    for day in days:
        bucket.put(day, 5)
    assert [bucket.days(), bucket.days(), bucket.days()] == [days[:2], days[2:], []]
    assert MOST_DAYS >= 10


def test_a_day_that_is_being_loaded_waits(bucket: Bucket) -> None:
    bucket.put(TODAY, 1)
    assert bucket.days(busy=frozenset({TODAY})) == []
    assert bucket.days() == [TODAY]


def test_what_vanished_is_reported_once_and_loads_nothing(bucket: Bucket) -> None:
    path = bucket.put(TODAY, 1)
    assert bucket.days() == [TODAY]
    path.unlink()
    seen = bucket.look()
    assert (seen.requests, seen.vanished) == ([], {TODAY: ["20260131-01.node_fills_by_block"]})
    assert bucket.look().vanished == {}
    for left in path.parent.iterdir():
        left.unlink()
    assert bucket.look().vanished == {TODAY: ["all hours"]}


def test_a_lost_cursor_loads_nothing_twice_and_misses_nothing(bucket: Bucket) -> None:
    bucket.put(TODAY - timedelta(days=3), 5)
    assert bucket.days() == [TODAY - timedelta(days=3)]
    bucket.put(TODAY - timedelta(days=4), 5)
    bucket.cursor = None
    assert bucket.days() == [TODAY - timedelta(days=4)]


def test_what_nobody_asked_for_is_not_fetched(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path)
    for number in range(9):
        bucket.put(TODAY - timedelta(days=number), 5)
    assert bucket.days() == [TODAY - timedelta(days=1), TODAY]


def test_the_next_day_begins_by_itself(bucket: Bucket) -> None:
    following = TODAY + timedelta(days=1)
    bucket.put(following, 0)
    # Hour 0 of a day may hold the last blocks of the one before.
    assert bucket.days(following) == [TODAY, following]


def test_the_cursor_does_not_grow_with_history(bucket: Bucket) -> None:
    for number in range(WINDOW_DAYS + 20):
        bucket.put(TODAY - timedelta(days=number), 5)
    bucket.look()
    assert len(json.loads(bucket.cursor or "{}")) == WINDOW_DAYS + 1


def test_the_sensor_hands_on_its_cursor(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_today", lambda: TODAY)
    bucket.put(TODAY, 2)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=bucket.cursor)
        result = arrivals.raw_arrivals(context, raw=bucket.raw, lake=bucket.lake)
        assert isinstance(result, dg.SensorResult)
        assert [one.partition_key for one in result.run_requests or ()] == [str(TODAY)]
        again = dg.build_sensor_context(instance=instance, cursor=result.cursor)
        found = arrivals.raw_arrivals(again, raw=bucket.raw, lake=bucket.lake)
        assert isinstance(found, dg.SensorResult)
        assert found.run_requests == []


def test_the_night_finds_changes_of_any_age_and_loads_that_failed(bucket: Bucket) -> None:
    old, lately = TODAY - timedelta(days=39), TODAY - timedelta(days=2)
    bucket.put(old, 5)
    assert bucket.days() == []
    # Listed, and no further.
    bucket.put(lately, 5)
    assert bucket.days() == [lately]

    class Judged:
        def line(
            self, days: list[date], names: frozenset[str]
        ) -> list[tuple[date, frozenset[str]]]:
            assert old not in days
            return [(day, names if day == lately else frozenset()) for day in days]

    judge = cast("Judge", Judged())
    found = arrivals.stale_history(bucket.raw, bucket.lake, judge, TODAY)
    # The day before `old` may have its last blocks in an hour 0 that is not there.
    assert found == {old, lately}
