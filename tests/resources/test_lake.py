"""Taking source objects into the lake, on a local folder."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lz4.frame
import polars as pl
import pytest

from tests.reference import slow_reader
from tests.reference.hostile_lines import (
    ZERO_HASH,
    fill_line,
    hostile_lines,
    make_block,
    make_fill,
    respelt,
    to_line,
)
from vigil_core.errors import LakeIncomplete, UnreadableObject
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.files.lake import Lake
from vigil_resources.files.ledger import LedgerEntry
from vigil_resources.files.raw_fills import Manifest, RawFills
from vigil_resources.files.store import Store

DAY = date(2025, 10, 27)
NEXT_DAY = date(2025, 10, 28)
HOUR = SourceHour(DAY, 17)
NAME = "20251027-17.node_fills_by_block"
KEY = "node_fills_by_block/hourly/20251027/17.lz4"
NEXT_MIDNIGHT = 1_761_609_600_000
GOOD = fill_line()
EARLY_BLOCK = fill_line(time=NEXT_MIDNIGHT - 1, oid=1)
LATE_BLOCK = fill_line(time=NEXT_MIDNIGHT, oid=2)


@pytest.fixture(autouse=True)
def _waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other host is at these lakes."""
    monkeypatch.setattr("vigil_resources.files.lake.time", SimpleNamespace(sleep=lambda _: None))


class Bench:
    """A raw folder and a lake beside it."""

    def __init__(self, folder: Path) -> None:
        self.raw_folder = folder / "raw"
        self.lake_folder = folder / "lake"
        self.scratch = folder / "scratch"
        self.raw = Store(str(self.raw_folder))
        self.lake = Lake(Store(str(self.lake_folder)), self.scratch)

    def put(self, data: bytes, key: str = KEY) -> None:
        self.raw.write(key, data)

    def put_lines(self, *lines: bytes, key: str = KEY) -> None:
        self.put(lz4.frame.compress(b"".join(line + b"\n" for line in lines)), key)

    def manifest(self, day: date = DAY) -> Manifest:
        return RawFills(self.raw).manifest(day)

    def take_in(self, hour: SourceHour = HOUR, day: date = DAY) -> LedgerEntry:
        manifest = self.manifest(day)
        return self.lake.take_in(self.raw, hour, manifest.objects[hour], manifest.source)

    def take(self, *lines: bytes) -> LedgerEntry:
        self.put_lines(*lines)
        return self.take_in()

    def rows(self, day: date = DAY) -> list[dict[str, Any]]:
        frames = [self.lake.read_part(part) for part in self.lake.day(day).parts]
        return [row for frame in frames for row in frame.to_dicts()]

    def files(self) -> dict[str, str]:
        """SHA-256 of every file of the lake."""
        return {
            path.relative_to(self.lake_folder).as_posix(): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in sorted(self.lake_folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Interrupted(Exception):
    """Stands for a process that ends here."""


class StoreThatStops(Store):
    """Ends the process at the n-th write, counted from 1."""

    def __init__(self, root: str, at: int) -> None:
        super().__init__(root)
        self.at = at
        self.writes = 0

    def write(self, key: str, content: bytes | Path) -> None:
        self.count(key)
        super().write(key, content)

    def take_file(self, key: str, path: Path) -> None:
        self.count(key)
        super().take_file(key, path)

    def count(self, key: str) -> None:
        self.writes += 1
        if self.writes == self.at:
            raise Interrupted(key)


def interrupt(bench: Bench, at: int) -> bool:
    """Take the object in until the n-th write; False if it needs no so many."""
    manifest = bench.manifest()
    lake = Lake(StoreThatStops(str(bench.lake_folder), at), bench.scratch)
    try:
        lake.take_in(bench.raw, HOUR, manifest.objects[HOUR], manifest.source)
    except Interrupted:
        return True
    return False


def same_as_slow_reader(rows: Sequence[dict[str, Any]], lines: Sequence[bytes]) -> None:
    """Columns without JSON; those are compared where lines are decoded."""
    expected = slow_reader.read_lines(b"\n".join(lines) + b"\n").rows
    assert len(rows) == len(expected)
    for mine, other in zip(rows, expected, strict=True):
        for column in other.keys() - {"liquidation", "extra"}:
            assert mine[column] == other[column]


# --- what becomes of an object -------------------------------------------------------------


def test_rows_come_back_as_they_were(bench: Bench) -> None:
    lines = [line for _, line, accepted in hostile_lines() if accepted and b'"time":17' in line]
    entry = bench.take(*lines)

    assert (entry.lines, entry.rejected, entry.blank_lines) == (len(lines), 0, 0)
    days = sorted({date.fromisoformat(part.day) for part in entry.parts})
    same_day = [r for r in slow_reader.read_lines(b"\n".join(lines)).rows if r["time"] > 0]
    assert entry.rows + entry.repeated == len(same_day)
    assert entry.rows == sum(len(bench.rows(day)) for day in days)


def test_ledger_entry_counts_what_it_held(bench: Bench) -> None:
    empty = to_line(make_block(block_number=5))
    entry = bench.take(empty, b"", GOOD, fill_line(newKey=1), b"{")

    assert (entry.lines, entry.blank_lines, entry.rejected, entry.empty_blocks) == (5, 1, 1, 1)
    assert (entry.first_block, entry.last_block) == (5, 777_010_829)
    assert entry.rows_by_hour == {HOUR.file_id: 2}
    assert entry.unknown_keys == {"newKey": 1}
    assert bench.lake.entry(HOUR) == entry


def test_rows_go_to_the_day_of_their_own_time(bench: Bench) -> None:
    entry = bench.take(EARLY_BLOCK, LATE_BLOCK)

    assert [(part.day, part.rows) for part in entry.parts] == [
        ("2025-10-27", 1),
        ("2025-10-28", 1),
    ]
    assert entry.parts[1].path == "fills/day=2025-10-28/20251027-17.node_fills_by_block.parquet"
    assert [row["oid"] for row in bench.rows(DAY)] == [1]
    assert [row["oid"] for row in bench.rows(NEXT_DAY)] == [2]
    assert entry.rows_by_hour == {"20251027/23": 1, "20251028/00": 1}


def test_hour_zero_of_the_next_day_gives_this_day_its_last_rows(bench: Bench) -> None:
    key = "node_fills_by_block/hourly/20251028/0.lz4"
    bench.put_lines(EARLY_BLOCK, LATE_BLOCK, key=key)

    bench.take_in(SourceHour(NEXT_DAY, 0))

    assert [row["oid"] for row in bench.rows(DAY)] == [1]
    assert list(bench.lake.day(DAY).entries) == [SourceHour(NEXT_DAY, 0)]


def test_one_block_may_span_midnight(bench: Bench) -> None:
    fills = [make_fill(time=NEXT_MIDNIGHT + step, oid=step + 1) for step in (-1, 0, 1)]
    entry = bench.take(to_line(make_block(*fills)))
    assert [part.rows for part in entry.parts] == [1, 2]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"broken',
        b"\xff\x00",
        respelt(GOOD, b'"px":"100000.5",', b""),
        fill_line(fee="1e5"),
        fill_line(coin="\x00"),
    ],
    ids=["broken_json", "not_text", "missing_field", "exponent", "escaped_nul"],
)
def test_bad_line_lies_in_quarantine_with_its_place(bench: Bench, bad: bytes) -> None:
    entry = bench.take(GOOD, bad, fill_line(oid=2))

    (record,) = bench.lake.rejections(HOUR)
    assert (record["line_number"], record["byte_offset"]) == (2, len(GOOD) + 1)
    assert (record["file_id"], record["key"]) == (HOUR.file_id, KEY)
    assert record["reason"]
    assert "\x00" not in record["raw"]
    exact = record.get("raw_base64")
    assert (base64.b64decode(exact) if exact else record["raw"].encode()) == bad
    assert (entry.lines, entry.rejected, entry.rows) == (3, 1, 2)
    assert [row["oid"] for row in bench.rows()] == [214_106_928_179, 2]


def test_unknown_key_is_kept_and_counted(bench: Bench) -> None:
    entry = bench.take(respelt(GOOD, b'"tid"', b'"newKey":0.12345678901234567890,"tid"'))
    (row,) = bench.rows()
    assert row["extra"] == '{"newKey":0.12345678901234567890}'
    assert entry.unknown_keys == {"newKey": 1}


def test_unknown_dir_dust_and_float_noise_are_fills(bench: Bench) -> None:
    lines = [
        fill_line(dir="Hodl Long"),
        fill_line(tid=0, dir="Spot Dust Conversion", hash=ZERO_HASH, fee="0.0"),
        fill_line(startPosition="3135809.3999999999"),
    ]
    assert bench.take(*lines).rejected == 0
    rows = bench.rows()
    same_as_slow_reader(rows, lines)
    assert [row["dir"] for row in rows[:2]] == ["Hodl Long", "Spot Dust Conversion"]
    assert rows[1]["tid"] == 0
    assert rows[2]["start_position"] == Decimal("3135809.3999999999")


@pytest.mark.parametrize("data", [b"", lz4.frame.compress(b"")], ids=["no_bytes", "no_lines"])
def test_empty_object_is_taken_in_without_rows(bench: Bench, data: bytes) -> None:
    bench.put(data)
    entry = bench.take_in()
    assert (entry.lines, entry.rows, entry.parts) == (0, 0, [])
    assert list(bench.files()) == [f"ledger/20251027/{NAME}.json"]
    assert bench.lake.stale_objects(bench.manifest()) == {}
    assert bench.lake.day(DAY).rows == 0


def test_second_frame_is_read_too(bench: Bench) -> None:
    text = GOOD + b"\n" + fill_line(oid=2) + b"\n"
    bench.put(lz4.frame.compress(text[:100]) + lz4.frame.compress(text[100:]))
    bench.take_in()
    same_as_slow_reader(bench.rows(), text.splitlines())


def test_truncated_object_leaves_nothing(bench: Bench) -> None:
    whole = lz4.frame.compress((GOOD + b"\n") * 500, block_size=lz4.frame.BLOCKSIZE_MAX64KB)
    for length in (1, 10, len(whole) // 2, len(whole) - 1):
        bench.put(whole[:length])
        with pytest.raises(UnreadableObject, match="LZ4"):
            bench.take_in()
    assert bench.files() == {}
    assert list(bench.scratch.glob("vigil-work-*")) == []
    assert list(bench.lake.stale_objects(bench.manifest())) == [HOUR]


def test_truncated_object_leaves_what_was_there_before(bench: Bench) -> None:
    bench.take(GOOD, b"{")
    before = bench.files()
    bench.put(lz4.frame.compress(GOOD * 9)[:-3])
    with pytest.raises(UnreadableObject):
        bench.take_in()
    assert bench.files() == before


# --- again ---------------------------------------------------------------------------------


def test_same_object_gives_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    lines = [GOOD, b"{", EARLY_BLOCK, LATE_BLOCK, fill_line(newKey={"b": 1, "a": 2})]
    bench.take(*lines)
    first = bench.files()
    bench.take_in()
    assert bench.files() == first

    other = Bench(tmp_path / "other")
    other.put_lines(*lines)
    manifest = bench.manifest()
    other.lake.take_in(other.raw, HOUR, manifest.objects[HOUR], manifest.source)
    assert other.files() == first


def test_lost_rows_of_another_day_lose_their_part(bench: Bench) -> None:
    bench.take(EARLY_BLOCK, LATE_BLOCK, b"{")
    bench.take(EARLY_BLOCK)

    assert list(bench.files()) == [
        "fills/day=2025-10-27/20251027-17.node_fills_by_block.parquet",
        f"ledger/20251027/{NAME}.json",
    ]
    assert bench.lake.day(NEXT_DAY).parts == []


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("lines", [[EARLY_BLOCK], [GOOD, LATE_BLOCK, b"{", b"["]])
def test_interrupted_take_in_is_repaired_by_the_next(
    bench: Bench, tmp_path: Path, at: int, lines: list[bytes]
) -> None:
    # given: an older content, and the newer one cut off while it was taken in
    bench.take(EARLY_BLOCK, LATE_BLOCK, b"{")
    bench.put_lines(*lines)
    manifest = bench.manifest()
    if interrupt(bench, at):
        assert list(bench.lake.stale_objects(manifest)) == [HOUR]

    # when
    bench.take_in()

    # then: as if nothing had happened
    fresh = Bench(tmp_path / "fresh")
    fresh.put_lines(*lines)
    fresh.lake.take_in(fresh.raw, HOUR, manifest.objects[HOUR], manifest.source)
    assert bench.files() == fresh.files()
    assert bench.lake.stale_objects(manifest) == {}


@pytest.mark.parametrize("at", [2, 3, 4])
def test_unfinished_day_is_not_read(bench: Bench, at: int) -> None:
    # given: two parts between the two ledger entries
    bench.put_lines(EARLY_BLOCK, LATE_BLOCK)
    assert interrupt(bench, at)

    with pytest.raises(LakeIncomplete, match="interrupted; materialize .* for 2025-10-27"):
        bench.lake.day(DAY)

    bench.take_in()
    assert (bench.lake.day(DAY).rows, bench.lake.day(NEXT_DAY).rows) == (1, 1)


def test_object_that_another_decodes_is_waited_for_and_not_decoded_again(bench: Bench) -> None:
    bench.put_lines(EARLY_BLOCK, LATE_BLOCK)
    manifest = bench.manifest()
    begun, goes_on = threading.Event(), threading.Event()

    class StoreThatWaits(Store):
        def take_file(self, key: str, path: Path) -> None:
            begun.set()
            goes_on.wait(30)
            super().take_file(key, path)

    first = Lake(StoreThatWaits(str(bench.lake_folder)), bench.scratch)
    counted = StoreThatStops(str(bench.lake_folder), at=-1)
    second = Lake(counted, bench.scratch)
    with ThreadPoolExecutor(2) as pool:
        taken = pool.submit(first.take_in_stale, bench.raw, manifest, lambda _: None)
        assert begun.wait(30)
        again = pool.submit(second.take_in_stale, bench.raw, manifest, lambda _: None)
        time.sleep(0.3)
        goes_on.set()
        for one in (taken, again):
            one.result(30)
    assert bench.lake.day(DAY).rows == 1
    assert counted.writes == 0


def test_part_that_was_lost_is_made_again(bench: Bench) -> None:
    entry = bench.take(EARLY_BLOCK, LATE_BLOCK)
    (bench.lake_folder / entry.parts[0].path).unlink()
    with pytest.raises(LakeIncomplete, match="materialize fills_parquet for 2025-10-27"):
        bench.lake.day(DAY)

    bench.lake.take_in_stale(bench.raw, bench.manifest(), lambda _: None)

    assert (bench.lake.day(DAY).rows, bench.lake.day(NEXT_DAY).rows) == (1, 1)


def test_a_day_waits_for_another_host_that_is_at_one_of_its_objects(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put_lines(EARLY_BLOCK, LATE_BLOCK)
    assert interrupt(bench, 2)
    # It is done while we wait.
    meanwhile = SimpleNamespace(sleep=lambda _: bench.take_in())
    monkeypatch.setattr("vigil_resources.files.lake.time", meanwhile)

    assert bench.lake.day(DAY).rows == 1


def test_part_of_another_day_left_by_an_interruption_names_the_day_that_repairs_it(
    bench: Bench,
) -> None:
    bench.put_lines(EARLY_BLOCK, LATE_BLOCK)
    assert interrupt(bench, at=4)
    with pytest.raises(LakeIncomplete, match="for 2025-10-27"):
        bench.lake.day(NEXT_DAY)


@pytest.mark.parametrize("at", range(1, 6))
def test_files_left_by_an_interruption_go_when_the_object_changed_since(
    bench: Bench, at: int
) -> None:
    bench.put_lines(EARLY_BLOCK, LATE_BLOCK, b"{")
    assert interrupt(bench, at)

    bench.take(EARLY_BLOCK)

    assert list(bench.files()) == [
        "fills/day=2025-10-27/20251027-17.node_fills_by_block.parquet",
        f"ledger/20251027/{NAME}.json",
    ]


# --- what is stale, and what a day holds ---------------------------------------------------


def test_changed_object_is_stale(bench: Bench) -> None:
    assert list(stale(bench)) == []
    bench.put_lines(GOOD)
    assert list(stale(bench)) == [HOUR]
    bench.take_in()
    assert list(stale(bench)) == []
    bench.put_lines(GOOD, fill_line(oid=2))
    assert list(stale(bench)) == [HOUR]


def stale(bench: Bench) -> list[SourceHour]:
    return list(bench.lake.stale_objects(bench.manifest()))


def test_older_decoder_or_other_source_is_stale(bench: Bench) -> None:
    entry = bench.take(GOOD)
    manifest = bench.manifest()
    assert list(bench.lake.stale_objects(replace(manifest, source="sandbox"))) == [HOUR]

    entry.decoder_version -= 1
    bench.lake.store.write(f"ledger/20251027/{NAME}.json", entry.to_json())
    assert list(bench.lake.stale_objects(manifest)) == [HOUR]


def test_version_of_a_day_changes_with_its_rows_only(bench: Bench) -> None:
    bench.take(GOOD)
    first = bench.lake.day(DAY).version
    bench.take_in()
    assert bench.lake.day(DAY).version == first
    bench.take(GOOD, fill_line(oid=2))
    assert bench.lake.day(DAY).version != first


def test_altered_part_is_not_read(bench: Bench) -> None:
    (part,) = bench.take(GOOD).parts
    content = bytearray(bench.lake.store.read(part.path))
    content[100] ^= 1
    bench.lake.store.write(part.path, bytes(content))
    with pytest.raises(LakeIncomplete, match="not what its ledger entry says"):
        bench.lake.read_part(part)


def test_part_has_the_columns_of_the_lake(bench: Bench) -> None:
    (part,) = bench.take(GOOD).parts
    frame = bench.lake.read_part(part)
    assert dict(frame.schema) == LAKE_SCHEMA
    assert frame.select(pl.len()).item() == part.rows == 1


def test_rows_of_a_day_are_its_parts_one_after_the_other(bench: Bench) -> None:
    columns = ["tid", "time", "coin", "px", "liquidation", "crossed"]
    assert dict(bench.lake.rows(bench.lake.day(DAY), columns).schema) == {
        name: LAKE_SCHEMA[name] for name in columns
    }
    for number in range(10):
        key = f"node_fills_by_block/hourly/20251027/{number}.lz4"
        bench.put_lines(fill_line(oid=number), fill_line(oid=number + 50), key=key)
        bench.take_in(SourceHour(DAY, number))
    content = bench.lake.day(DAY)

    rows = bench.lake.rows(content, columns)

    assert rows.equals(pl.concat(bench.lake.read_part(p) for p in content.parts).select(columns))
    path = bench.lake_folder / content.parts[9].path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(LakeIncomplete, match="not what its ledger entry says"):
        bench.lake.rows(content, columns)


# --- manifests -----------------------------------------------------------------------------


def test_manifest_names_the_missing_hours(bench: Bench) -> None:
    for hour in (0, 7, 23):
        bench.put_lines(GOOD, key=f"node_fills_by_block/hourly/20251027/{hour}.lz4")
    bench.put_lines(GOOD, key="node_fills_by_block/hourly/20251028/0.lz4")
    bench.put_lines(GOOD, key="node_fills_by_block/hourly/20251028/1.lz4")
    bench.put(b"?", key="node_fills_by_block/hourly/20251027/readme.txt")

    manifest = bench.manifest()

    own = [SourceHour(DAY, hour) for hour in (0, 7, 23)]
    assert list(manifest.objects) == [*own, SourceHour(NEXT_DAY, 0)]
    assert list(manifest.own) == own
    assert manifest.missing_hours == [h for h in range(24) if h not in (0, 7, 23)]


def test_kept_manifest_comes_back(bench: Bench) -> None:
    bench.put_lines(GOOD)
    manifest = bench.manifest()
    bench.lake.write_manifest(manifest)
    assert bench.lake.manifest(DAY) == manifest
    assert bench.lake.manifest(DAY).version == manifest.version
    kept = json.loads((bench.lake_folder / "manifests/2025-10-27.json").read_text())
    assert kept["missing_hours"] == manifest.missing_hours


def test_day_that_was_never_listed_says_what_to_do(bench: Bench) -> None:
    with pytest.raises(LakeIncomplete, match="materialize raw_fills for 2025-10-27"):
        bench.lake.manifest(DAY)


def test_marker_at_the_root_makes_the_source_a_sandbox(bench: Bench) -> None:
    bench.put_lines(GOOD)
    assert bench.manifest().source == "hyperliquid"
    before = bench.manifest().version

    bench.put(b"{}", key="sandbox.json")

    assert bench.manifest().source == "sandbox"
    assert bench.manifest().version != before
    assert bench.take_in().source == "sandbox"


# --- what an older Vigil left --------------------------------------------------------------


def test_lake_of_the_layout_before_is_taken_over(bench: Bench, tmp_path: Path) -> None:
    """One format, one flat ledger, names without a format."""
    bench.take(EARLY_BLOCK, LATE_BLOCK, b"{")
    bench.lake.write_manifest(bench.manifest())
    expected = bench.files()
    old = Bench(tmp_path / "old")
    old.put_lines(EARLY_BLOCK, LATE_BLOCK, b"{")
    entry = json.loads((bench.lake_folder / f"ledger/20251027/{NAME}.json").read_text())
    for part in entry["parts"]:
        part["path"] = part["path"].replace(".node_fills_by_block", "")
        old.lake.store.write(part["path"], b"what it wrote")
    old.lake.store.write("quarantine/20251027-17.jsonl", b"{}")
    old.lake.store.write("ledger/20251027-17.json", json.dumps(entry).encode())
    listing = {"day": str(DAY), "source": "hyperliquid", "objects": [["20251027/17", KEY, 1, ""]]}
    old.lake.store.write(f"manifests/{DAY}.json", json.dumps(listing).encode())

    with pytest.raises(LakeIncomplete, match="materialize raw_fills"):
        old.lake.manifest(DAY)
    with pytest.raises(LakeIncomplete, match="materialize fills_parquet"):
        old.lake.day(DAY)

    manifest = old.manifest()
    old.lake.write_manifest(manifest)
    old.lake.take_in_stale(old.raw, manifest, lambda _: None)
    assert old.files().keys() == expected.keys()
    assert old.lake.day(DAY).rows == 1
