"""What the build of a day of trader_totals is measured against: pandas and DuckDB over the lake.

Both begin with Parquet and find, by trader, what his perp fills of a first day come to; nothing is
carried into it. They add in float64, leave out who was liquidated, round trips and the power sums,
and write one Parquet file. Each runs in a process of its own, for its peak memory:
`python -m bench.metrics_contestants NAME LAKE_FOLDER START_MS RESULT`.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import polars as pl

from bench.ingest import peak_mb
from bench.warehouse_contestants import MACROS
from vigil_core.calendar import DAY_MS
from vigil_resources.database.warehouse import Warehouse

COUNTS = ("fills", "maker_fills", "taker_fills", "long_increases", "short_increases")
SUMS = (
    "volume", "gross_pnl", "fees", "maker_volume", "taker_volume", "twap_volume",
    "exposure_usd_ms", "exposure_usd", "peak_exposure_usd", "mark_to_market_pnl",
)  # fmt: skip
_KEY = ["user_address", "coin"]
_ORDER = ["time", "block_number", "event_index"]
# --- DuckDB --------------------------------------------------------------------------------

_LEGS = """
    CREATE TEMP TABLE steps AS
    WITH legs AS (
        SELECT
            user_address, coin, time, block_number, event_index, CAST(px AS DOUBLE) AS px,
            CAST(px AS DOUBLE) * CAST(sz AS DOUBLE) AS notional, side = 'B' AS buys,
            CAST(closed_pnl AS DOUBLE) AS closed_pnl, twap_id IS NOT NULL AS is_twap,
            CAST(fee_usd(fee, fee_token, coin, side, px) AS DOUBLE) AS fee,
            CASE WHEN liquidation IS NULL AND dir IN ('Open Long', 'Open Short', 'Close Long',
                'Close Short', 'Long > Short', 'Short > Long') THEN crossed END AS is_taker,
            CAST(round(start_position, 8) AS DOUBLE) AS start_at,
            CAST(round(start_position + CASE side WHEN 'B' THEN sz ELSE -sz END, 8) AS DOUBLE)
                AS end_at
        FROM read_parquet('{lake}/*.parquet')
        WHERE NOT is_spot(coin) AND coin NOT LIKE '#%'
    )
    SELECT
        *, lag(time) OVER w AS time_before, lag(end_at) OVER w AS end_before,
        coalesce(lag(px) OVER w, px) AS px_before, lead(time) OVER w IS NULL AS is_last
    FROM legs
    WINDOW w AS (PARTITION BY user_address, coin ORDER BY time, block_number, event_index)"""
_TOTALS = """
    COPY (
        WITH marks AS (
            SELECT coin, arg_max(px, (time, block_number, event_index)) AS mark
            FROM steps GROUP BY coin
        ), positions AS (
            SELECT
                user_address, coin, sum(CASE WHEN buys THEN -notional ELSE notional END) AS cash,
                any_value(start_at) FILTER (WHERE time_before IS NULL) AS start_at,
                any_value(px) FILTER (WHERE time_before IS NULL) AS px_at_start,
                any_value(end_at) FILTER (WHERE is_last) AS end_at,
                bool_or(time_before IS NOT NULL AND start_at <> end_before) AS is_broken,
                sum(abs(start_at) * px_before * (time - coalesce(time_before, {start})))
                + sum(abs(end_at) * px * ({start} + 86400000 - time)) FILTER (WHERE is_last)
                    AS exposure_usd_ms
            FROM steps GROUP BY user_address, coin
        ), valued AS (
            SELECT
                user_address, sum(abs(end_at) * mark) AS exposure_usd,
                sum(exposure_usd_ms) AS exposure_usd_ms,
                sum(abs(start_at) * px_at_start) AS exposure_at_start,
                CASE WHEN bool_and(start_at = 0 AND NOT is_broken) THEN sum(cash + end_at * mark)
                    END AS change
            FROM positions JOIN marks USING (coin) GROUP BY user_address
        ), peaks AS (
            SELECT user_address, max(rise) AS rise
            FROM (
                SELECT user_address, sum(abs(end_at) * px - abs(start_at) * px_before) OVER (
                    PARTITION BY user_address ORDER BY time, block_number, event_index
                    RANGE UNBOUNDED PRECEDING) AS rise
                FROM steps
            ) GROUP BY user_address
        ), traded AS (
            SELECT
                user_address, count(*) AS fills, sum(notional) AS volume,
                sum(closed_pnl) AS gross_pnl, coalesce(sum(fee), 0) AS fees,
                count(*) FILTER (WHERE NOT is_taker) AS maker_fills,
                count(*) FILTER (WHERE is_taker) AS taker_fills,
                coalesce(sum(notional) FILTER (WHERE NOT is_taker), 0) AS maker_volume,
                coalesce(sum(notional) FILTER (WHERE is_taker), 0) AS taker_volume,
                count(*) FILTER (WHERE end_at > 0 AND end_at > start_at) AS long_increases,
                count(*) FILTER (WHERE end_at < 0 AND end_at < start_at) AS short_increases,
                coalesce(sum(notional) FILTER (WHERE is_twap), 0) AS twap_volume
            FROM steps GROUP BY user_address
        )
        SELECT t.*, v.exposure_usd, v.exposure_usd_ms,
            v.exposure_at_start + greatest(p.rise, 0) AS peak_exposure_usd,
            v.change - t.fees AS mark_to_market_pnl
        FROM traded AS t JOIN valued AS v USING (user_address) JOIN peaks AS p USING (user_address)
    ) TO '{result}' (FORMAT parquet)"""


def in_duckdb(lake: str, start: int, result: str) -> None:
    """The statement's own steps, on two threads."""
    connection = duckdb.connect(config={"threads": 2})
    connection.execute(MACROS)
    connection.execute(_LEGS.format(lake=lake))
    connection.execute(_TOTALS.format(start=start, result=result))


# --- pandas --------------------------------------------------------------------------------

_COLUMNS = [
    *_KEY, *_ORDER, "px", "sz", "side", "dir", "start_position", "closed_pnl", "fee", "fee_token",
    "crossed", "liquidation", "twap_id",
]  # fmt: skip
_ORDINARY = [
    "Open Long", "Open Short", "Close Long", "Close Short", "Long > Short", "Short > Long",
]  # fmt: skip


def _legs(lake: str) -> pd.DataFrame:
    """Perp fills, money as floats, in the order of execution."""
    numbers = ["px", "sz", "start_position", "closed_pnl", "fee"]
    frame = pl.read_parquet(f"{lake}/*.parquet", columns=_COLUMNS)
    fills = frame.with_columns(pl.col(numbers).cast(pl.Float64)).to_pandas()
    fills = fills[~fills["coin"].str.contains("[@/#]")].sort_values(_ORDER)
    sign = fills["side"].map({"B": 1.0, "A": -1.0})
    ordinary = fills["liquidation"].isna() & fills["dir"].isin(_ORDINARY)
    notional = fills["px"] * fills["sz"]
    return fills.assign(
        notional=notional,
        cash=-sign * notional,
        start_at=fills["start_position"].round(8),
        end_at=(fills["start_position"] + sign * fills["sz"]).round(8),
        is_maker=ordinary & ~fills["crossed"],
        is_taker=ordinary & fills["crossed"],
    )


def _valued(legs: pd.DataFrame, start: int) -> pd.DataFrame:
    """Of each trader's positions: exposures, and the change of their value."""
    of = legs.groupby(_KEY, sort=False)
    time_before, end_before = of["time"].shift(), of["end_at"].shift()
    px_before = of["px"].shift().fillna(legs["px"])
    is_last = of.cumcount(ascending=False) == 0
    until_end = legs["end_at"].abs() * legs["px"] * (start + DAY_MS - legs["time"])
    held_for = legs["time"] - time_before.fillna(start)
    rise = legs["end_at"].abs() * legs["px"] - legs["start_at"].abs() * px_before
    legs = legs.assign(
        exposure_usd_ms=legs["start_at"].abs() * px_before * held_for + until_end.where(is_last, 0),
        is_broken=time_before.notna() & ((legs["start_at"] - end_before).abs() > 1e-9),
        exposure_at_start=(legs["start_at"].abs() * legs["px"]).where(time_before.isna(), 0),
        rise=rise.groupby(legs["user_address"]).cumsum(),
    )
    left = legs[is_last]
    mark = left["coin"].map(legs.groupby("coin")["px"].last())
    known = of["start_at"].transform("first").eq(0)
    by = legs.assign(is_unknown=legs["is_broken"] | ~known).groupby("user_address")
    worth = (left["end_at"] * mark).groupby(left["user_address"])
    change = by["cash"].sum() + worth.sum()
    return pd.DataFrame(
        {
            "exposure_usd": (left["end_at"].abs() * mark).groupby(left["user_address"]).sum(),
            "exposure_usd_ms": by["exposure_usd_ms"].sum(),
            "peak_exposure_usd": by["exposure_at_start"].sum() + by["rise"].max().clip(lower=0),
            "change": change.where(~by["is_unknown"].any()),
        }
    )


def in_pandas(lake: str, start: int, result: str) -> None:
    """One thread, frames."""
    legs = _legs(lake)
    flags = legs.assign(
        maker_volume=legs["notional"].where(legs["is_maker"], 0),
        taker_volume=legs["notional"].where(legs["is_taker"], 0),
        twap_volume=legs["notional"].where(legs["twap_id"].notna(), 0),
        is_longer=(legs["end_at"] > 0) & (legs["end_at"] > legs["start_at"]),
        is_shorter=(legs["end_at"] < 0) & (legs["end_at"] < legs["start_at"]),
    )
    totals = flags.groupby("user_address").agg(
        fills=("px", "size"),
        volume=("notional", "sum"),
        gross_pnl=("closed_pnl", "sum"),
        fees=("fee", "sum"),
        maker_fills=("is_maker", "sum"),
        taker_fills=("is_taker", "sum"),
        maker_volume=("maker_volume", "sum"),
        taker_volume=("taker_volume", "sum"),
        long_increases=("is_longer", "sum"),
        short_increases=("is_shorter", "sum"),
        twap_volume=("twap_volume", "sum"),
    )
    totals = totals.join(_valued(legs, start))
    totals["mark_to_market_pnl"] = totals["change"] - totals["fees"]
    totals.drop(columns="change").reset_index().to_parquet(result)


# --- both ----------------------------------------------------------------------------------

CONTESTANTS = {"pandas": in_pandas, "DuckDB": in_duckdb}


@dataclass(frozen=True, slots=True)
class Run:
    """Wall and CPU seconds without the start of Python, and the process's peak memory."""

    wall: float
    cpu: float
    peak_mb: float


def run(name: str, lake: Path, start: int, result: Path) -> Run:
    """One contestant in a process of its own."""
    command = [sys.executable, "-m", "bench.metrics_contestants", name]
    asked = [*command, str(lake), str(start), str(result)]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    return Run(**json.loads(done.stdout))


def prove_equal(warehouse: Warehouse, start: int, result: Path) -> int:
    """Raises `AssertionError` where a trader's figure is another; gives the traders compared."""
    columns = ", ".join(("user_address", *COUNTS, *(f"{name}::float8" for name in SUMS)))
    with warehouse.connect(read_only=True) as connection:
        statement = f"SELECT {columns} FROM trader_totals WHERE day = {start} AND fills > 0"
        rows = connection.execute(statement.encode()).fetchall()
    schema = ["user_address", *COUNTS, *SUMS]
    here = pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)
    both = here.join(pl.read_parquet(result), on="user_address", how="full", suffix="_there")
    assert both.height == here.height
    for name in COUNTS:
        assert both[name].equals(both[f"{name}_there"].cast(pl.Int64), check_names=False), name
    for name in SUMS:
        mine, other = both[name], both[f"{name}_there"].fill_nan(None)
        assert mine.is_null().equals(other.is_null(), check_names=False), name
        far = (mine - other).abs() > 1e-9 * mine.abs() + 1e-5
        assert not far.any(), (name, both.filter(far))
    return here.height


def main() -> None:
    """Do what the command line names, and print what it took."""
    name, lake, start, result = sys.argv[1:]
    begun = time.perf_counter(), time.process_time()
    CONTESTANTS[name](lake, int(start), result)
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    print(json.dumps({"wall": wall, "cpu": cpu, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
