"""The vectors of features once more: put into the tables, and read from them as a build does."""

import json
import time
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from tests.conftest import Installation, installed
from tests.core.artemis.test_features import assert_figure, cases, ids, is_close, tables_of
from vigil_core.artemis.features import MarketTables, features
from vigil_core.calendar import day_of
from vigil_resources.artemis.snapshots import Snapshots
from vigil_resources.database.day_tables import DayTables
from vigil_resources.wiring import open_perp_balances

COIN = pl.lit("BTC").alias("coin")
ZERO = pl.lit("0").cast(pl.Decimal(38, 12))
RELATIONS = (
    "candles",
    "volume_history",
    "trade_flow_history",
    "liquidation_events",
    "oi_history",
    "oi_changes",
    "funding_history",
    "wallet_profiles",
    "artemis_state",
)
OF_A_CANDLE = [
    pl.lit("fills").alias("source"),
    pl.lit(value=False).alias("filled"),
    ZERO.alias("volume"),
    pl.lit(1).alias("trades"),
]


class Given(Snapshots):
    """Reads the tables as ever; the balances, which lie in the lake, are the vector's."""

    given = MarketTables()

    def _positions(self, day: Any) -> tuple[pl.DataFrame, pl.DataFrame]:  # noqa: ARG002
        return self.given.balances, self.given.positions.with_columns(COIN)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("vectors")
    (folder / "raw").mkdir()
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


def stored(vigil: Installation, tables: MarketTables, t: int) -> MarketTables:
    """What a build of the day of `t` reads, after the tables were put where it looks."""
    day = day_of(t)
    with vigil.warehouse.connect() as connection:
        connection.execute(f"TRUNCATE {', '.join(RELATIONS)}")  # type: ignore[arg-type]
    writer = DayTables(vigil.warehouse)
    for relation, (frame, details) in relations(tables).items():
        writer.replace_day(day, {relation: frame}, "vector", time.monotonic(), details)
    reader = Given(writer, open_perp_balances(vigil.settings), ("BTC",))
    reader.given = tables
    return reader._market("BTC", day, reader._of_all_coins(day))


def relations(tables: MarketTables) -> dict[str, tuple[pl.DataFrame, dict[str, Any]]]:
    """The rows of each relation, and what its build said of them."""
    minutes = tables.candles_1m.select(
        COIN,
        pl.lit("1m").alias("interval"),
        "open_time",
        *(pl.col("close").alias(name) for name in ("open", "high", "low", "close")),
        *OF_A_CANDLE,
    )
    fives = tables.candles_5m.select(
        COIN,
        pl.lit("5m").alias("interval"),
        "open_time",
        pl.col("close").alias("open"),
        "high",
        "low",
        "close",
        *OF_A_CANDLE,
    )
    none = [ZERO.alias(name) for name in ("unknown_volume_usd", "off_book_volume_usd")]
    usd = ["buy_volume_usd", "sell_volume_usd"]
    events = tables.liquidations.with_row_index("n").select(
        COIN,
        "occurred_at",
        pl.lit("long").alias("side"),
        "size_usd",
        pl.lit(1).alias("price"),
        # Events of one ms are of as many addresses.
        pl.format("0x{}", "n").alias("address"),
        pl.lit("market").alias("method"),
        pl.lit(value=False).alias("via_adl"),
    )
    bots = tables.bots.select(
        "address",
        "as_of",
        pl.lit("1d").alias("window"),
        *(pl.lit(0).alias(name) for name in ("fill_count", "volume_usd", "trade_count")),
        pl.lit(value=True).alias("is_bot"),
    )
    changes = tables.oi_changes.rename({"start": "start_at", "end": "end_at"})
    oi = tables.oi.with_columns(pl.lit(1).alias("holders"))
    return {
        "candles": (
            pl.concat([minutes, fives]),
            {"covered_liquidations": spans(tables.liquidations_covered)},
        ),
        "volume_history": (tables.flow.select(COIN, "recorded_at", "volume_usd", *none), {}),
        "trade_flow_history": (tables.flow.select(COIN, "recorded_at", *usd), {}),
        "liquidation_events": (events, {}),
        "oi_history": (oi.select(COIN, pl.all()), {"covered": spans(tables.fills_covered)}),
        "oi_changes": (changes.select(COIN, pl.all()), {}),
        "funding_history": (
            tables.funding.select(COIN, pl.all(), pl.lit("api").alias("source")),
            {},
        ),
        "wallet_profiles": (bots, {}),
    }


def spans(covered: pl.DataFrame) -> list[tuple[int, int]]:
    return list(covered.select("start", "end").iter_rows())


def read(vigil: Installation, case: dict[str, Any]) -> dict[str, Any]:
    """The row of a case, from the tables."""
    inputs = case["inputs"]
    t = inputs.get("t", inputs.get("snapshot_at"))
    market = stored(vigil, tables_of(case["function"], inputs), t)
    return features(market, "BTC", [t]).row(0, named=True)


@pytest.mark.parametrize("case", cases("features", "features_edges"), ids=ids)
def test_a_feature_from_the_tables_is_that_of_the_vector(
    vigil: Installation, case: dict[str, Any]
) -> None:
    row = read(vigil, case)

    expected = case["expected"]
    if "value" in expected:
        expected = {case["function"]: expected}
    for name, figure in expected.items():
        assert_figure(row, name, figure)


@pytest.mark.parametrize("case", cases("snapshot_rows"), ids=ids)
def test_a_row_from_the_tables_is_that_of_the_vector(
    vigil: Installation, case: dict[str, Any]
) -> None:
    row = read(vigil, case)

    expected = dict(case["expected"])
    assert json.loads(row["reasons"]) == expected.pop("reasons")
    assert str(row["price"].normalize()) == expected.pop("price").rstrip("0").rstrip(".")
    for name, value in expected.items():
        same = row[name] == value if not isinstance(value, float) else is_close(row[name], value)
        assert same, (name, row[name], value)
