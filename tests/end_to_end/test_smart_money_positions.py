"""Positions of smart money against a plain reading of the same fills, hour by hour."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from tests.conftest import Installation, installed
from tests.reference import profiles
from tests.reference.slow_reader import read_object
from vigil_cli.backfill import backfill
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms, days_between
from vigil_core.errors import NotLoaded
from vigil_sandbox.node_writer import compressed
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

Row = dict[str, Any]
SPEC = replace(TINY, day_count=4)
FIRST = SPEC.first_day
LAST = FIRST + timedelta(days=3)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("positions")
    write_world(SPEC, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST)
        yield vigil


def fills_of(vigil: Installation) -> list[Row]:
    paths = Path(vigil.settings.node_data).glob("node_fills_by_block/hourly/*/*.lz4")
    rows = [row for path in paths for row in read_object(path).rows]
    return sorted(rows, key=lambda row: (row["block_number"], row["event_index"]))


def is_perp(coin: str) -> bool:
    return not coin.startswith(("@", "#")) and "/" not in coin


def expected_rows(fills: list[Row], day: date) -> list[Row]:
    """The day's rows, from nothing but the fills before each hour."""
    start = day_start_ms(day)
    before = [row for row in fills if row["time"] < start]
    smart = {
        row["user_address"]
        for row in profiles.trader_profiles(before)
        if row["trader_type"] == "SMART_DIRECTIONAL"
    }
    result = []
    for hour in range(start, start + DAY_MS, HOUR_MS):
        known = [row for row in fills if row["time"] < hour]
        prices = {row["coin"]: row["px"] for row in known if row["time"] >= start - DAY_MS}
        held: dict[tuple[str, str], Decimal] = {}
        for row in known:
            if row["user_address"] in smart and is_perp(row["coin"]):
                signed = row["sz"] if row["side"] == "B" else -row["sz"]
                end = round(row["start_position"] + signed, 8)
                held[row["coin"], row["user_address"]] = end
        for coin in sorted({coin for (coin, _), size in held.items() if size}):
            sizes = [size for (one, _), size in held.items() if one == coin and size]
            price = prices.get(coin)
            worth = [size * price for size in sizes] if price is not None else None
            long = sum((w for w in worth if w > 0), Decimal(0)) if worth else None
            short = -sum((w for w in worth if w < 0), Decimal(0)) if worth else None
            result.append(
                {
                    "coin": coin,
                    "hour": hour,
                    "long_notional": long,
                    "short_notional": short,
                    "traders": len(sizes),
                }
            )
    return result


def positions(vigil: Installation, where: str = "true") -> list[Row]:
    return vigil.records(f"SELECT * FROM smart_money_positions WHERE {where} ORDER BY hour, coin")


def test_every_hour_holds_what_was_known_before_it(world: Installation) -> None:
    fills = fills_of(world)
    expected = [row for day in days_between(FIRST, LAST) for row in expected_rows(fills, day)]

    found = positions(world)

    assert len(expected) > 20
    assert [{k: row[k] for k in expected[0]} for row in found] == expected
    for row in found:
        both = row["long_notional"] + row["short_notional"]
        bias = (row["long_notional"] - row["short_notional"]) / both
        assert abs(row["net_bias"] - bias) < Decimal("1e-12")


def test_a_second_backfill_builds_nothing(world: Installation) -> None:
    assert backfill(world.settings, FIRST, LAST) == 0


def test_a_day_that_is_not_loaded_is_refused(world: Installation) -> None:
    with pytest.raises(NotLoaded):
        world.warehouse.build_positions(LAST + timedelta(days=9))


@pytest.mark.slow
def test_what_comes_later_changes_no_hour_before_it(
    world: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the rest of the last day its first part stands as it did."""
    hours = sorted({row["hour"] for row in positions(world, f"hour >= {day_start_ms(LAST)}")})
    cut_at = hours[len(hours) // 2]
    raw = tmp_path / "raw"
    shutil.copytree(world.settings.node_data, raw)
    for path in raw.glob(f"node_fills_by_block/hourly/{LAST:%Y%m%d}/*.lz4"):
        # The object of the hour itself begins with blocks of the hour before.
        if int(path.stem) > (cut_at - day_start_ms(LAST)) // HOUR_MS:
            path.unlink()
    with installed(tmp_path, raw, monkeypatch) as cut:
        backfill(cut.settings, FIRST, LAST)
        mine = positions(cut, f"hour <= {cut_at}")
    assert mine == positions(world, f"hour <= {cut_at}")
    assert any(row["hour"] == cut_at for row in mine)


@pytest.mark.slow
def test_a_past_day_that_changes_makes_later_days_stale(world: Installation) -> None:
    """Last of all here: an hour of the second day is corrected."""
    second = FIRST + timedelta(days=1)
    assert world.warehouse.stale_position_days() == set()
    hours = Path(world.settings.node_data) / f"node_fills_by_block/hourly/{second:%Y%m%d}"
    lines = lz4.frame.decompress((hours / "10.lz4").read_bytes()).splitlines(keepends=True)
    (hours / "10.lz4").write_bytes(compressed(b"".join(lines[: len(lines) // 2])))

    backfill(world.settings, second, second)

    assert world.warehouse.stale_position_days() == {LAST, LAST - timedelta(days=1)}
    backfill(world.settings, FIRST, LAST)
    assert world.warehouse.stale_position_days() == set()
