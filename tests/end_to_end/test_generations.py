"""Hours that lie in two generations of the node's files: every fill once, from the better one."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from tests.conftest import Installation, installed
from tests.reference.slow_older_generations import (
    distinct_trades,
    hand_over,
    read_fill_line,
    read_older_object,
    read_trade_line,
)
from tests.reference.slow_reader import read_object
from vigil_cli.backfill import backfill
from vigil_core.calendar import day_of, day_start_ms
from vigil_core.fills.schema import KEY
from vigil_core.fills.source_keys import Generation
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store
from vigil_sandbox.node_writer import compressed
from vigil_sandbox.older_writers import (
    hours_from,
    object_path,
    write_fills,
    write_trades,
    written_hours,
)
from vigil_sandbox.world import TINY, write_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Row = dict[str, Any]
COLUMNS = [
    "time", "user_address", "coin", "px", "sz", "side", "dir", "start_position", "closed_pnl",
    "fee", "fee_token", "crossed", "hash", "oid", "tid", "cloid", "twap_id", "builder",
    "builder_fee", "deployer_fee", "priority_gas", "block_number", "event_index", "block_time",
]  # fmt: skip


def world_of(first: date, root: Path) -> Path:
    write_world(replace(TINY, first_day=first), root)
    return root


def keep_lines(path: Path, chosen: Callable[[list[bytes]], list[bytes]]) -> None:
    """Rewrite an object with some of its lines."""
    lines = lz4.frame.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(compressed(b"".join(chosen(lines))))


def rows_of(root: Path, generation: Generation) -> list[Row]:
    """All rows of a generation, in order, each once within its object."""
    rows: list[Row] = []
    paths = sorted(
        (root / generation.value).glob("hourly/*/*.lz4"),
        key=lambda path: (path.parent.name, int(path.stem)),
    )
    for path in paths:
        if generation is Generation.BLOCKS:
            rows += read_object(path).rows
        elif generation is Generation.FILLS:
            rows += read_older_object(path, read_fill_line).rows
        else:
            rows += distinct_trades(read_older_object(path, read_trade_line).rows)
    return rows


def as_set(rows: list[Row]) -> list[tuple[str, ...]]:
    return sorted(tuple(as_text(row[name]) for name in COLUMNS) for row in rows)


def as_text(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def each_once(rows: list[Row]) -> list[Row]:
    """The first of the rows of each key."""
    kept: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        kept.setdefault(tuple(row[name] for name in KEY), row)
    return list(kept.values())


def fills_in(vigil: Installation) -> list[Row]:
    return vigil.records(f"SELECT {', '.join(COLUMNS)} FROM fills")


@pytest.fixture(scope="module")
def july(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """2025-07-27: node_fills ends in hour 8, node_fills_by_block begins in it.

    The old writer stopped 5/6 into the hour, the new one began 1/3 into it, and twice the same
    lines came.
    """
    folder = tmp_path_factory.mktemp("july")
    root = world_of(date(2025, 7, 27), folder / "raw")
    start = datetime(2025, 7, 27, tzinfo=UTC)
    early = [hour for hour in written_hours(root) if hour <= start + timedelta(hours=8)]
    write_fills(root, root, early)
    for hour in early[:-1]:
        object_path(root, "node_fills_by_block", hour).unlink()
    keep_lines(
        object_path(root, "node_fills", early[-1]), lambda lines: lines[: len(lines) * 5 // 6]
    )
    keep_lines(object_path(root, "node_fills", early[3]), lambda lines: lines + lines[:7])
    new = object_path(root, "node_fills_by_block", early[-1])
    keep_lines(new, lambda lines: lines[len(lines) // 3 :] + lines[-5:])
    with installed(folder, root, module_patch) as vigil:
        backfill(vigil.settings, date(2025, 7, 27), date(2025, 7, 28))
        yield vigil


def test_july_holds_each_fill_once(july: Installation) -> None:
    root = Path(july.settings.node_data)
    newer = rows_of(root, Generation.BLOCKS)
    older = rows_of(root, Generation.FILLS)
    left = hand_over(newer, older)
    expected = each_once(newer) + each_once(left)

    found = fills_in(july)

    assert as_set(found) == as_set(expected)
    assert 0 < len(left) < len(older)
    (twice,) = july.records(
        "SELECT count(*) - count(DISTINCT (time, user_address, coin, oid, tid)) AS n FROM fills"
    )
    assert twice["n"] == 0


def test_july_names_both_objects_of_the_hour(july: Installation) -> None:
    rows = july.records(
        "SELECT source, rows_loaded, first_block FROM load_progress "
        "WHERE file_id = '20250727/08' ORDER BY source"
    )
    assert [row["source"] for row in rows] == [
        "sandbox/node_fills",
        "sandbox/node_fills_by_block",
    ]
    assert rows[0]["first_block"] is None
    assert rows[1]["first_block"] is not None
    assert all(row["rows_loaded"] for row in rows)


def test_a_generation_that_knows_no_blocks_leaves_them_null(july: Installation) -> None:
    (row,) = july.records(
        "SELECT count(*) FILTER (WHERE block_number IS NULL) AS old, count(block_number) AS new, "
        "count(*) FILTER (WHERE block_number IS NULL AND (block_time IS NOT NULL "
        "OR twap_id IS NOT NULL)) AS invented FROM fills"
    )
    assert row["old"] > 0
    assert row["new"] > 0
    assert row["invented"] == 0


@pytest.fixture(scope="module")
def may(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """2025-05-25: node_trades has all 24 hours, node_fills those from 14 on; no blocks yet."""
    folder = tmp_path_factory.mktemp("may")
    world = world_of(date(2025, 5, 25), folder / "world")
    root = folder / "raw"
    root.mkdir()
    shutil.copy(world / "sandbox.json", root / "sandbox.json")
    start = datetime(2025, 5, 25, tzinfo=UTC)
    hours = set(written_hours(world))
    write_trades(world, root, [h for h in hours_from(start, 24) if h in hours])
    write_fills(world, root, [h for h in hours_from(start + timedelta(hours=14), 11) if h in hours])
    keep_lines(
        object_path(root, "node_fills", start + timedelta(hours=14)), lambda lines: lines[9:]
    )
    keep_lines(object_path(root, "node_trades", start), lambda lines: lines + lines[:3])
    with installed(folder, root, module_patch) as vigil:
        backfill(vigil.settings, date(2025, 5, 25), date(2025, 5, 25))
        yield vigil


def test_may_holds_each_fill_once(may: Installation) -> None:
    root = Path(may.settings.node_data)
    newer, older = rows_of(root, Generation.FILLS), rows_of(root, Generation.TRADES)
    left = hand_over(newer, older)
    expected = [r for r in newer + left if day_of(r["time"]) == date(2025, 5, 25)]

    assert as_set(fills_in(may)) == as_set(expected)
    assert len(left) < len(older)


def test_may_does_not_invent_what_trades_do_not_tell(may: Installation) -> None:
    noon = day_start_ms(date(2025, 5, 25)) + 12 * 3_600_000
    (row,) = may.records(
        "SELECT count(*) AS n, count(tid) + count(dir) + count(closed_pnl) + count(fee) "
        f"+ count(fee_token) + count(block_number) AS told FROM fills WHERE time < {noon}"
    )
    assert row["n"] > 0
    assert row["told"] == 0
    (early,) = may.records(
        "SELECT count(*) AS n FROM trader_daily WHERE realized_pnl IS NULL AND fees_paid IS NULL"
    )
    (known,) = may.records("SELECT count(*) AS n FROM trader_daily WHERE realized_pnl IS NOT NULL")
    assert early["n"] > 0
    assert known["n"] > 0


def test_objects_of_which_newer_ones_hold_all_are_not_read(may: Installation) -> None:
    read = {
        row["file_id"]
        for row in may.records(
            "SELECT file_id FROM load_progress WHERE source = 'sandbox/node_trades'"
        )
    }
    assert "20250525/14" in read
    assert "20250525/18" not in read


def test_a_second_backfill_finds_nothing_to_do(july: Installation) -> None:
    assert backfill(july.settings, date(2025, 7, 27), date(2025, 7, 28)) == 0


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_arrival_ends_in_the_same_bytes(
    july: Installation, tmp_path: Path, seed: int
) -> None:
    """Hours come one by one, some late, and after each some day is built."""
    chance = random.Random(seed)
    source = Path(july.settings.node_data)
    objects = sorted(source.glob("node_fills*/hourly/*/*.lz4"))
    objects = [path for path in objects if path.parent.name < "20250728" or path.stem in "01"]
    chance.shuffle(objects)
    raw = RawFills(Store(str(tmp_path / "raw")))
    lake = Lake(Store(str(tmp_path / "lake")), tmp_path / "scratch")
    shutil.copy(source / "sandbox.json", tmp_path / "raw/sandbox.json")
    days = [date(2025, 7, 27), date(2025, 7, 28)]
    arrived = 0
    while arrived < len(objects):
        batch = objects[arrived : arrived + chance.randint(1, 6)]
        arrived += len(batch)
        for path in batch:
            target = tmp_path / "raw" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        if arrived < len(objects):
            build(lake, raw, [chance.choice(days)])
    build(lake, raw, days)
    assert lake_bytes(lake, days) == lake_bytes(july.lake, days)


def build(lake: Lake, raw: RawFills, days: list[date]) -> None:
    for day in days:
        manifest = raw.manifest(day)
        lake.write_manifest(manifest)
        lake.take_in_stale(raw.store, manifest, lambda _: None)


def lake_bytes(lake: Lake, days: list[date]) -> dict[str, str]:
    parts = [part for day in days for part in lake.day(day).parts]
    return {
        part.path: part.sha256
        for part in parts
        if "20250728" not in part.path.rsplit("/", 1)[1] or part.hour.hour < 2
    }
