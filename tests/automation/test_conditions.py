"""When a day is requested, case by case, on a chain of assets whose data are a dictionary."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from vigil_assets.automation import conditions
from vigil_assets.automation.conditions import FINAL_AFTER_MS, LATEST_MS, STALE
from vigil_assets.automation.judge import Stage
from vigil_assets.partitions import FILL_DAYS
from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.fills.source_keys import hours_of_day

TODAY = date(2026, 1, 10)
NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


def day(number: int) -> date:
    """Of January 2026."""
    return date(2026, 1, number)


@dg.asset(partitions_def=FILL_DAYS)
def fills() -> None: ...


@dg.asset(partitions_def=FILL_DAYS, deps=[fills], automation_condition=STALE)
def trader_daily() -> None: ...


@dg.asset(partitions_def=FILL_DAYS, deps=[trader_daily], automation_condition=STALE)
def metrics() -> None: ...


@dg.asset(partitions_def=FILL_DAYS, deps=[metrics], automation_condition=STALE)
def labels() -> None: ...


@dg.asset(partitions_def=FILL_DAYS, deps=[trader_daily, labels], automation_condition=STALE)
def profiles() -> None: ...


@dg.asset(partitions_def=FILL_DAYS, deps=[fills], automation_condition=STALE)
def candles() -> None: ...


@dg.asset(
    partitions_def=FILL_DAYS,
    deps=[
        dg.AssetDep(
            candles, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=0, end_offset=1)
        )
    ],
    automation_condition=STALE,
)
def snapshot_labels() -> None: ...


LINE = [fills, trader_daily, metrics, labels, profiles]
MARKET = [candles, snapshot_labels]
ORDER = [one.key.to_user_string() for one in (*LINE[1:], *MARKET)]


@dataclass
class World:
    """What is loaded, what was made of it, and a Dagster that was told of it."""

    instance: dg.DagsterInstance
    assets: list[dg.AssetsDefinition] = field(default_factory=lambda: list(LINE))
    loaded: dict[date, int] = field(default_factory=dict)
    """Day → version of its fills."""
    hours: dict[date, int] = field(default_factory=dict)
    """Of a day that has not all of its objects, how many there are."""
    broken: set[date] = field(default_factory=set)
    impossible: set[date] = field(default_factory=set)
    """Of which figures cannot be built: loaded, without a fill."""
    made: dict[tuple[str, date], str] = field(default_factory=dict)
    with_opening: set[date] = field(default_factory=set)
    """Whose candles were made when their first four hours were there."""
    asked: list[tuple[str, tuple[date, ...]]] = field(default_factory=list)
    cursor: Any = None

    def made_of(self, name: str, of: date) -> str:
        """What a day would be made of now."""
        match name:
            case "trader_daily":
                return str(self.loaded.get(of))
            case "metrics":
                before = self.made.get((name, of - timedelta(days=1)))
                return f"{self.made.get(('trader_daily', of))}<{before}"
            case "labels":
                return str(self.made.get(("metrics", of)))
            case "candles":
                return f"{self.loaded.get(of)} {self.hours.get(of)}"
            case "snapshot_labels":
                return str([self.made.get(("candles", of + timedelta(days=n))) for n in (0, 1)])
            case _:
                return str(sorted(v for (n, _), v in self.made.items() if n == "labels"))

    def load(self, *days: date) -> None:
        for one in days:
            self.loaded[one] = self.loaded.get(one, 0) + 1
            self._tell("fills", one)

    def build(self, requested: dict[str, list[int]], failing: Sequence[str] = ()) -> None:
        for name in ORDER:
            for number in requested.get(name, ()):
                if name not in failing:
                    self.made[name, day(number)] = self.made_of(name, day(number))
                    self._tell(name, day(number))
                    if name == "candles" and self.hours.get(day(number), 25) >= 5:
                        self.with_opening.add(day(number))

    def awaited(self, of: date) -> list[str]:
        """Objects of a day that are not there."""
        return [hour.file_id for hour in hours_of_day(of)[self.hours.get(of, 25) :]]

    def _tell(self, name: str, of: date) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=str(of)))

    def tick(self, now: datetime = NOW) -> dict[str, list[int]]:
        """Asset → days of January requested."""
        result = dg.evaluate_automation_conditions(
            self.assets, self.instance, evaluation_time=now, cursor=self.cursor
        )
        self.cursor = dg.deserialize_value(dg.serialize_value(result.cursor))
        found = {
            one.key.to_user_string(): result.get_requested_partitions(one.key)
            for one in self.assets
        }
        return {
            name: sorted(date.fromisoformat(str(key)).day for key in keys)
            for name, keys in found.items()
            if keys
        }

    def settle(self, now: datetime = NOW) -> dict[str, list[int]]:
        """Tick and build until nothing is asked for; gives all that was."""
        everything: dict[str, list[int]] = {}
        for _ in range(20):
            requested = self.tick(now)
            if not requested:
                return {name: sorted(days) for name, days in everything.items()}
            for name, days in requested.items():
                everything.setdefault(name, []).extend(days)
            self.build(requested)
        raise AssertionError("it never ends")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Days 1 to 8 are loaded and built."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(instance)

        def possible(days: Sequence[date]) -> list[date]:
            return [one for one in days if one not in world.impossible]

        class Judged:
            def stage_of(self, name: str) -> Stage:
                return Stage(
                    what=name,
                    names=frozenset({name}),
                    open=lambda: lambda days: days,
                    possible=possible if name in {"metrics", "labels"} else list,
                    carries=name in {"metrics", "labels"},
                    is_once=name == "profiles",
                    follows=name != "profiles",
                )

            def stale(self, stage: Stage, days: Sequence[date]) -> list[date]:
                world.asked.append((stage.what, tuple(days)))
                days = stage.possible(days)
                if stage.is_once:
                    days = days[-1:]
                return [
                    one
                    for one in days
                    if world.made.get((stage.what, one)) != world.made_of(stage.what, one)
                ]

        class Tick(conditions._Tick):
            def __init__(self, view: Any) -> None:
                self.judge = Judged()  # type: ignore[assignment]
                self.now_ms = int(view.effective_dt.timestamp() * 1000)
                self.today = day_of(self.now_ms)
                self.unresolved, self.failed, self._answers = {}, {}, {}
                self._awaits = {one: world.awaited(one) for one in sorted(world.loaded)}
                self._has_opening = world.with_opening
                self._left_out = {}.keys()

            def is_broken(self, day: date) -> bool:
                return day in world.broken

        monkeypatch.setattr(conditions, "_Tick", Tick)
        monkeypatch.setattr(conditions, "_KEPT_ABREAST", frozenset({"trader_daily"}))
        world.load(*map(day, range(1, 9)))
        world.settle()
        yield world


def test_the_first_tick_builds_what_is_stale_of_the_last_weeks(world: World) -> None:
    assert {name for name, _ in world.made} == {"trader_daily", "metrics", "labels", "profiles"}
    assert {of.day for name, of in world.made if name == "labels"} == set(range(1, 9))


def test_a_quiet_tick_asks_the_data_nothing(world: World) -> None:
    world.asked.clear()
    assert world.tick() == {}
    assert world.asked == []


def test_a_day_on_time_is_built_with_what_follows_it_and_no_other(world: World) -> None:
    world.load(day(9))
    # In one run, one after the other.
    line = {"trader_daily": [9], "metrics": [9], "labels": [9]}
    assert world.tick() == line
    world.build(line)
    assert world.tick() == {"profiles": [9]}
    world.build({"profiles": [9]})
    assert world.tick() == {}


def test_a_late_correction_ripples_forwards_once(world: World) -> None:
    world.load(day(3))
    found = world.settle()
    assert found == {
        "trader_daily": [3],
        "metrics": [3, 4, 5, 6, 7, 8],
        "labels": [3, 4, 5, 6, 7, 8],
        # Once, when all of it is done.
        "profiles": [8],
    }


def test_a_correction_does_not_ripple_to_a_day_of_which_nothing_can_be_built(
    world: World,
) -> None:
    world.impossible.add(day(9))
    world.load(day(9))
    assert world.settle() == {"trader_daily": [9], "profiles": [9]}
    world.load(day(7))
    found = world.settle()
    assert (found["metrics"], found["labels"]) == ([7, 8], [7, 8])


def test_the_same_content_again_rebuilds_nothing(world: World) -> None:
    world._tell("fills", day(4))
    assert world.settle() == {}


def test_a_second_correction_rebuilds_again(world: World) -> None:
    world.load(day(7))
    first = world.settle()
    world.load(day(7))
    assert world.settle() == first
    assert first["metrics"] == [7, 8]


def test_today_is_added_up_and_nothing_else_until_it_has_ended(world: World) -> None:
    world.load(TODAY)
    world.hours[TODAY] = 3
    assert world.settle() == {"trader_daily": [10]}
    end = datetime.fromtimestamp((day_start_ms(TODAY) + DAY_MS) / 1000, UTC)
    hour = timedelta(milliseconds=FINAL_AFTER_MS)
    assert "metrics" not in world.settle(end + hour)
    # The last hours come: complete, so it need not wait any longer.
    world.hours.clear()
    assert world.settle(end + hour)["metrics"] == [10]


def test_labels_of_yesterday_are_complete_when_four_hours_of_today_are_there(
    world: World,
) -> None:
    world.assets += MARKET
    assert world.settle()["snapshot_labels"] == list(range(1, 9))
    world.load(day(9))
    assert world.settle()["snapshot_labels"] == [8, 9]
    expected: dict[int, dict[str, list[int]]] = {
        4: {"trader_daily": [10]},
        # The first rows of the fifth object may be of the fourth hour.
        5: {"trader_daily": [10], "candles": [10], "snapshot_labels": [9]},
        6: {"trader_daily": [10]},
        24: {"trader_daily": [10]},
    }
    for hours, built in expected.items():
        world.load(TODAY)
        world.hours[TODAY] = hours
        assert world.settle() == built, hours
    world.load(TODAY)
    del world.hours[TODAY]
    ended = datetime.fromtimestamp((day_start_ms(TODAY) + DAY_MS + FINAL_AFTER_MS) / 1000, UTC)
    found = world.settle(ended)
    assert (found["candles"], found["snapshot_labels"]) == ([10], [9, 10])


def test_a_day_whose_hours_never_come_is_built_after_a_while(world: World) -> None:
    world.load(day(9))
    world.hours[day(9)] = 20
    end = datetime.fromtimestamp((day_start_ms(day(9)) + DAY_MS) / 1000, UTC)
    latest = end + timedelta(milliseconds=LATEST_MS)
    assert world.settle(latest - timedelta(minutes=1)) == {"trader_daily": [9]}
    assert world.settle(latest)["metrics"] == [9]


def test_a_day_that_fails_is_not_asked_for_until_its_inputs_change_or_a_day_later(
    world: World,
) -> None:
    line = {"trader_daily": [9], "metrics": [9], "labels": [9]}
    world.load(day(9))
    assert world.tick() == line
    world.build({"trader_daily": [9]}, failing=["trader_daily"])
    assert [world.tick(), world.tick()] == [{}, {}]
    world.load(day(9))
    assert world.tick()["trader_daily"] == [9]
    assert world.tick() == {}
    assert world.tick(NOW + timedelta(days=1))["trader_daily"] == [9]


def test_nothing_is_built_of_fills_that_are_not_what_came(world: World) -> None:
    world.load(day(9))
    world.broken.add(day(9))
    assert world.settle() == {}
    world.broken.clear()
    world.load(day(9))
    assert world.settle()["labels"] == [9]


def test_many_days_are_asked_for_in_batches_that_follow_one_another(world: World) -> None:
    late = datetime(2026, 1, 31, 12, tzinfo=UTC)
    world.load(*map(day, range(9, 31)))
    for ten in (list(range(9, 19)), list(range(19, 29))):
        requested = world.tick(late)
        assert requested == {"trader_daily": ten, "metrics": ten, "labels": ten}
        world.build(requested)
    world.settle(late)
    assert {of.day for name, of in world.made if name == "labels"} == set(range(1, 31))
