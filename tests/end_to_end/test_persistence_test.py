"""The persistence test from raw fills to its rows, against a plain reading of the same fills."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from tests.conftest import Installation, installed
from tests.reference import aggregates, profiles
from tests.reference.slow_reader import read_object
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import DAY_MS, day_start_ms, days_between
from vigil_core.metrics.persistence import DEFAULT, STATISTICS, TOO_FEW, VARIANTS, spearman
from vigil_resources import wiring
from vigil_resources.database.day_tables import DayTables
from vigil_resources.metrics.persistence import PersistenceTests
from vigil_resources.wiring import open_persistence_tests
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

Row = dict[str, Any]
SPEC = replace(TINY, day_count=9)
FIRST = SPEC.first_day
LAST = FIRST + timedelta(days=8)
SHORT = replace(
    DEFAULT,
    formation_days=3,
    evaluation_days=1,
    step_days=1,
    block_days=1,
    min_active_days=2,
    min_traders=5,
)
SELECTED = "*persistence_test"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("persistence")
    write_world(SPEC, folder / "raw")
    module_patch.setattr(wiring, "PERSISTENCE", SHORT)
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select=SELECTED)
        yield vigil


def expected_rolls(fills: list[Row]) -> list[Row]:
    """Label and net PnL of each pair of windows, from nothing but the fills they may look at."""
    daily = aggregates.trader_daily(fills)
    rows = []
    for number in range(5):
        start = day_start_ms(FIRST) + number * DAY_MS
        end, look = start + 3 * DAY_MS, start + 4 * DAY_MS
        before, after = traders(daily, start, end), traders(daily, look, look + DAY_MS)
        smart = smart_before(fills, end)
        universe = sorted(
            trader
            for trader, days in before.items()
            if len(days) >= 2
            and not any(day["unpriced_fee_fills"] for day in [*days, *after.get(trader, [])])
        )
        labels = np.array([float(trader in smart) for trader in universe])
        scores = np.array([net(before[trader]) for trader in universe])
        outcomes = np.array([net(after.get(trader, [])) for trader in universe])
        rows.append(
            {
                "n": len(universe),
                "labelled": int(labels.sum()),
                "label_ic": spearman(labels, outcomes),
                "net_pnl_ic": spearman(scores, outcomes),
                "smart_mean": outcomes[labels > 0].mean(),
                "all_mean": outcomes.mean(),
                "stopped": sum(trader not in after for trader in universe) / len(universe),
            }
        )
    return rows


def smart_before(fills: list[Row], end: int) -> set[str]:
    known = profiles.trader_profiles([row for row in fills if row["time"] < end])
    return {row["user_address"] for row in known if row["trader_type"] == "SMART_DIRECTIONAL"}


def fills_of(vigil: Installation) -> list[Row]:
    paths = Path(vigil.settings.node_data).glob("node_fills_by_block/hourly/*/*.lz4")
    return [row for path in paths for row in read_object(path).rows]


def traders(daily: list[Row], start: int, end: int) -> dict[str, list[Row]]:
    days = [row for row in daily if start <= row["day"] < end]
    return aggregates.grouped(days, lambda row: row["user_address"])


def net(days: list[Row]) -> float:
    return float(sum(day["realized_pnl"] - day["fees_paid"] for day in days))


def rolls(vigil: Installation, variant: str) -> list[Row]:
    return vigil.records(
        "SELECT * FROM persistence_rolls "
        f"WHERE day = {day_start_ms(LAST)} AND variant = '{variant}' ORDER BY roll"
    )


def test_rolls_are_what_the_fills_say(world: Installation) -> None:
    expected = expected_rolls(fills_of(world))

    labels, net_pnl = rolls(world, "seed_100k>net_pnl"), rolls(world, "net_pnl>net_pnl")

    assert [row["n"] for row in labels] == [row["n"] for row in expected]
    assert [row["top_n"] for row in labels] == [row["labelled"] for row in expected]
    assert expected[0]["labelled"] > 0
    assert any(row["stopped"] > 0 for row in expected)
    for name, found in {
        "label_ic": [row["rank_ic"] for row in labels],
        "net_pnl_ic": [row["rank_ic"] for row in net_pnl],
        "smart_mean": [row["top_mean_evaluation"] for row in labels],
        "all_mean": [row["all_mean_evaluation"] for row in labels],
        "stopped": [row["stopped_share"] for row in labels],
    }.items():
        assert found == pytest.approx([row[name] for row in expected], rel=1e-9), name


def test_no_label_knows_the_days_behind_its_formation(world: Installation) -> None:
    """After a day nobody has a Sharpe ratio yet; after two, who was planted is labelled."""
    tests = PersistenceTests(
        DayTables(world.warehouse), replace(SHORT, formation_days=1, min_active_days=1)
    )
    made = tests.build(LAST - timedelta(days=1)).rolls.filter(
        pl.col("variant") == "seed_100k>net_pnl"
    )
    fills = fills_of(world)
    ends = made["formation_end"].to_list()
    assert made["top_n"].to_list() == [len(smart_before(fills, end)) for end in ends]
    assert made["reason"].to_list()[:2] == ["no_data", None]


def test_every_variant_is_reported_once_as_of_the_last_day(world: Installation) -> None:
    rows = world.records(f"SELECT * FROM persistence_test WHERE day = {day_start_ms(LAST)}")
    assert {row["as_of"] for row in rows} == {day_start_ms(LAST) + DAY_MS}
    assert len(rows) == len(VARIANTS) * len(STATISTICS)
    assert {row["variant"] for row in rows} == {variant.name for variant in VARIANTS}
    assert all(row["is_simulated"] for row in rows)
    assert all((row["value"] is None) <= (row["reason"] is not None) for row in rows)


def test_planted_smart_money_goes_on_earning(world: Installation) -> None:
    [row] = world.records(
        "SELECT * FROM persistence_test "
        f"WHERE day = {day_start_ms(LAST)} "
        "AND variant = 'seed_100k>net_pnl' AND statistic = 'top_minus_all'"
    )
    assert (row["n"], row["verdict"]) == (5, "above")
    assert row["low"] > 50_000


def test_dagster_shows_report_and_plot(world: Installation) -> None:
    with dagster_ready(world.settings) as instance:
        key = dg.AssetKey("persistence_test")
        days = instance.get_materialized_partitions(key)
        event = instance.get_latest_materialization_event(key)
    assert days == {str(day) for day in days_between(FIRST, LAST)}
    assert event is not None
    materialization = event.asset_materialization
    assert materialization is not None
    assert materialization.partition == str(LAST)
    report = str(materialization.metadata["report"].value)
    assert "| seed_100k>net_pnl | rank_ic |" in report
    assert all(variant.name in report for variant in VARIANTS)
    assert "data:image/png" in str(materialization.metadata["rank_ic"].value)


def test_a_second_backfill_tests_nothing(world: Installation) -> None:
    assert backfill(world.settings, FIRST, LAST, select=SELECTED) == 0


def test_too_few_days_are_no_failure(world: Installation) -> None:
    """As of an earlier day, whose windows are not full yet."""
    early = FIRST + timedelta(days=2)
    backfill(world.settings, early, early, select="persistence_test", force=True)
    rows = world.records(f"SELECT * FROM persistence_test WHERE day = {day_start_ms(early)}")
    assert len(rows) == len(VARIANTS) * len(STATISTICS)
    assert {row["reason"] for row in rows} == {TOO_FEW}


def test_other_rules_make_it_stale(world: Installation) -> None:
    """Last of all here."""
    tests = open_persistence_tests(world.settings)
    assert tests.is_current(LAST)
    with world.warehouse.connect() as connection:
        connection.execute("UPDATE aggregate_state SET revision = revision + 1")
    assert not tests.is_current(LAST)
