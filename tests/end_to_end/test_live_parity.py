"""A day of a small world, fed event by event: its live rows are those of the backfill."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl
import pytest

from tests.conftest import Installation, installed
from vigil_assets.artemis.parity import live_agrees_with_backfill
from vigil_assets.partitions import FILL_DAYS
from vigil_cli.backfill import backfill
from vigil_core.artemis.live import LEG_COLUMNS, LiveMarket
from vigil_core.artemis.parameters import DEFAULT, FEATURES, FLAGS, STEP_MS, FeatureParameters
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_resources.artemis.live_snapshots import LiveSnapshots, parity_report
from vigil_resources.artemis.snapshots import Snapshots
from vigil_resources.database.day_tables import DayTables
from vigil_resources.wiring import open_perp_balances
from vigil_sandbox.info_server import Answers, InfoServer
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

DAY = TINY.first_day + timedelta(days=1)
START = day_start_ms(DAY)
COINS = ("BTC", "ETH", "SOL")
# In so small a world, of so few days, two features would have no values, and one but zeros.
EASED = replace(
    DEFAULT,
    features=FeatureParameters(cascade_usd=Decimal(1_000), min_oi_snapshots=2, min_funding_rows=20),
)

Event = tuple[int, str, tuple[Any, ...]]
Rows = dict[tuple[str, int], dict[str, Any]]


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("world")
    write_world(TINY, folder / "raw")
    module_patch.setenv("VIGIL_COINS", ",".join(COINS))
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(folder / "raw" / "artemis" / "raw"))
    with InfoServer(Answers.of_world(folder / "raw")) as server:
        module_patch.setenv("HYPERLIQUID_API_URL", server.url)
        with installed(folder, folder / "raw", module_patch) as vigil:
            backfill(vigil.settings, TINY.first_day, DAY, select="+key:feature_snapshots")
            # Nobody trades so much in a world as small as this.
            with vigil.warehouse.connect() as connection:
                connection.execute(
                    "UPDATE wallet_profiles SET is_bot = true WHERE as_of = %s AND address < '0x8'",
                    [START],
                )
            snapshots(vigil).build_features(DAY)
            yield vigil


def snapshots(world: Installation) -> Snapshots:
    balances = open_perp_balances(world.settings)
    return Snapshots(DayTables(world.warehouse), balances, COINS, EASED)


def live(world: Installation) -> LiveSnapshots:
    return LiveSnapshots(world.warehouse, open_perp_balances(world.settings), COINS, EASED)


def day_of_events(world: Installation) -> list[Event]:
    """What a collector would have seen on the day: when, what, and how it is fed."""
    legs = world.lake.rows(world.lake.day(DAY), list(LEG_COLUMNS))
    in_order = legs.sort("block_number", "event_index")
    blocks = in_order.partition_by("block_number", maintain_order=True)
    events: list[Event] = [(block["time"].item(0), "fills", (block,)) for block in blocks]
    rates = world.records(
        f"SELECT coin, time, rate FROM funding_history WHERE day = {START} ORDER BY time"
    )
    events += [(rate["time"], "funding", (pl.DataFrame([rate]),)) for rate in rates]
    balances = open_perp_balances(world.settings)
    entry = balances.finished(DAY)
    assert entry is not None
    recorded_at = entry.recorded_at
    events.append((recorded_at, "balances", (recorded_at, balances.positions(DAY))))
    assert {kind for _, kind, _ in events} == {"fills", "funding", "balances"}
    return sorted(events, key=lambda event: event[0])


def run(market: LiveMarket, events: list[Event], first: int) -> pl.DataFrame:
    """Feed one event after the other, and take every mark as soon as it is passed."""
    rows = []
    coming = iter([event for event in events if event[0] >= first])
    event = next(coming, None)
    for mark in range(first, START + DAY_MS, STEP_MS):
        while event is not None and event[0] < mark:
            getattr(market, event[1])(*event[2])
            event = next(coming, None)
        market.covered(mark - STEP_MS, mark)
        rows.append(market.take(mark))
    return pl.concat(rows)


def stored(world: Installation, origin: str) -> Rows:
    rows = world.records(
        f"SELECT * FROM feature_snapshots WHERE day = {START} AND origin = '{origin}'"
        f" AND feature_version = '{EASED.feature_version}'"
    )
    without = {"origin", "manifest_id"}
    return {
        (row["coin"], row["snapshot_at"]): {k: v for k, v in row.items() if k not in without}
        for row in rows
    }


@pytest.fixture(scope="module")
def rows(world: Installation) -> pl.DataFrame:
    """The day's live rows; they are in the table as well."""
    market = live(world).market(START)
    assert not market.tables()["bots"].is_empty()
    rows = run(market, day_of_events(world), START)
    assert live(world).save(rows) == rows.height
    return rows


def test_every_live_row_is_the_backfilled_one(world: Installation, rows: pl.DataFrame) -> None:
    backfilled = stored(world, "backfill")
    assert len(backfilled) == rows.height == 288 * len(COINS)

    found = stored(world, "live")

    assert found.keys() == backfilled.keys()
    different = {key: row for key, row in found.items() if row != backfilled[key]}
    assert different == {}


def test_every_feature_had_values_to_compare(rows: pl.DataFrame) -> None:
    known = {flag: rows[flag].sum() for flag in FLAGS}
    assert all(count > 20 for count in known.values()), known
    assert rows["liq_cascade_active"].drop_nulls().len() > 0
    for name in FEATURES:
        assert rows[name].drop_nulls().n_unique() > 1, name


def test_market_that_starts_within_the_day_from_the_tables_loses_nothing(
    world: Installation, rows: pl.DataFrame
) -> None:
    evening = START + 18 * HOUR_MS

    found = run(live(world).market(evening), day_of_events(world), evening)

    expected = rows.filter(pl.col("snapshot_at") >= evening)
    assert found.rows() == expected.rows()


def test_history_says_until_when_it_has_all_fills(world: Installation) -> None:
    assert live(world).covered_until() == START + DAY_MS


def test_live_rows_stay_as_they_were_written(world: Installation, rows: pl.DataFrame) -> None:
    before = stored(world, "live")

    added = live(world).save(rows.with_columns(pl.lit(0.5).alias("liq_magnet_direction")))
    snapshots(world).build_features(DAY)

    assert added == 0
    assert stored(world, "live") == before


def test_report_says_that_all_is_equal(world: Installation, rows: pl.DataFrame) -> None:
    report = parity_report(world.warehouse, [TINY.first_day, DAY])
    assert len(report) == len(COINS) * len(FEATURES)
    for one in report:
        assert (one.rows_compared, one.rows_equal, one.rows_different) == (288, 288, 0)
        assert one.largest_difference in {0, None}
        assert (one.rows_live_only, one.rows_backfill_only) == (0, 0)
    assert rows.height == 288 * len(COINS)


def checked(world: Installation, day: date) -> dg.AssetCheckEvaluation:
    @dg.asset(partitions_def=FILL_DAYS)
    def feature_snapshots() -> None:
        """Built before: only the check is asked."""

    result = dg.materialize(
        [feature_snapshots, live_agrees_with_backfill],
        partition_key=str(day),
        resources={"warehouse": world.warehouse},
    )
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation


def test_check_passes_without_live_rows(world: Installation) -> None:
    evaluation = checked(world, TINY.first_day)
    assert evaluation.passed
    assert evaluation.metadata["parity"].value == "no live rows"


def test_check_warns_of_a_value_that_differs(world: Installation, rows: pl.DataFrame) -> None:
    assert checked(world, DAY).passed
    at = rows.filter(pl.col("coin") == "BTC", pl.col("cvd_avail") == 1)["snapshot_at"].item(0)
    with world.warehouse.connect() as connection:
        connection.execute(
            "UPDATE feature_snapshots SET cvd_normalized_5m = cvd_normalized_5m + 0.25"
            " WHERE origin = 'backfill' AND coin = 'BTC' AND snapshot_at = %s",
            [at],
        )

    evaluation = checked(world, DAY)

    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["values_different"].value == 1
    [found] = [one for one in parity_report(world.warehouse, [DAY]) if one.rows_different]
    assert (found.coin, found.feature, found.rows_equal) == ("BTC", "cvd_normalized_5m", 287)
    assert found.largest_difference == pytest.approx(0.25)
