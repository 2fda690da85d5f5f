"""What the SQL in the database is measured against: DuckDB over the lake, and a compiled loop.

The loop follows positions as `round_trips/build_day` does. It leaves out what a day carries over
from the days before, keeps notionals and the integral of size in floats, PnL and fees to 8
decimals in 64 bits, and does not tell spot.
"""

import io
import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
from numba import njit

from bench.warehouse_engines import Engine
from vigil_core.calendar import day_start_ms
from vigil_resources.database.warehouse import CLASSIFIED_BY, FOREVER, Warehouse
from vigil_resources.statements import SQL_ROOT, models

_SCALE = 100_000_000
MACROS = """
    CREATE MACRO time_bucket(width, ts) AS ts - ts % width;
    CREATE MACRO trim_scale(value) AS value;
    CREATE MACRO is_spot(coin) AS coin LIKE '@%' OR coin LIKE '%/%';
    CREATE MACRO is_usd_stablecoin(token) AS token IN (
        'USDC', 'USDT', 'USDT0', 'USDH', 'USDE', 'USDXL', 'FEUSD', 'USDHL', 'USR');
    CREATE MACRO fee_usd(amount, token, coin, side, px) AS CASE
        WHEN amount = 0 THEN 0
        WHEN is_usd_stablecoin(token) THEN amount
        WHEN amount > 0 AND side = 'B' AND is_spot(coin) THEN CAST(amount * px AS DECIMAL(38, 12))
    END;
"""
_SUMS = {
    "trader_daily": ("fill_count", "volume", "unique_coins", "realized_pnl", "fees_paid"),
    "coin_daily": ("fill_count", "unique_traders", "volume", "total_pnl", "total_fees"),
    "builder_daily": ("fill_count", "unique_traders", "volume", "total_fees", "builder_fees"),
}

Numbers = np.ndarray[Any, np.dtype[Any]]


# --- DuckDB --------------------------------------------------------------------------------


def lake_reader(parquet: Path) -> duckdb.DuckDBPyConnection:
    """A connection whose `fills` are one day's files of the lake."""
    connection = duckdb.connect(config={"threads": 2})
    connection.execute(MACROS)
    connection.execute(f"CREATE VIEW fills AS SELECT * FROM read_parquet('{parquet}/*.parquet')")
    return connection


def build_in_duckdb(connection: duckdb.DuckDBPyConnection, relation: str) -> None:
    """The model's own text, made into a table."""
    connection.execute(f"CREATE OR REPLACE TABLE {relation} AS {models()[relation].text}")


def sums(relation: str) -> str:
    """What has to be equal in both, for one day."""
    columns = ", ".join(f"sum({column})" for column in _SUMS[relation])
    return f"SELECT count(*), {columns} FROM {relation}"


def prove_equal(connection: duckdb.DuckDBPyConnection, engine: Engine, day: date) -> None:
    """Raises `AssertionError` where counts or sums of an aggregate differ."""
    for relation in _SUMS:
        here = connection.execute(sums(relation)).fetchone()
        with engine.warehouse.connect(read_only=True) as postgres:
            statement = f"{sums(relation)} WHERE day = {day_start_ms(day)}"
            there = postgres.execute(statement.encode()).fetchone()
        assert here == there, (relation, engine.name, here, there)


def profiles_in_duckdb(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    """The classifier as a view: the metrics' own text, and the rules as Postgres spells them."""
    text = (SQL_ROOT / "functions/trader_metrics_before.sql").read_text()
    columns = re.findall(r"(\w+) (?:text|bigint|numeric)[,\n]", text.split("LANGUAGE")[0])
    body = re.search(r"AS \$\$(.*)\$\$", text, re.S)
    assert body is not None
    metrics = re.sub(r"\bday < before\b", f"day < {FOREVER}", body[1])
    with warehouse.connect(read_only=True) as postgres:
        rules = postgres.execute(
            "SELECT rule_case(%(of)s, 'trader_type'), rule_case(%(of)s, 'rule')",
            {"of": CLASSIFIED_BY},
        ).fetchone()
    assert rules is not None
    connection.execute(
        f"CREATE VIEW classified_profiles AS SELECT *, {rules[0]} AS trader_type,"
        f" {rules[1]} AS trader_type_rule FROM ({metrics}) AS m ({', '.join(columns)})"
    )


# --- the loop ------------------------------------------------------------------------------

_FILLS = """
    COPY (
        SELECT user_address, coin, time, block_number, event_index, px, sz,
            CASE side WHEN 'B' THEN 1 ELSE -1 END, start_position, closed_pnl,
            fee_usd(fee, fee_token, coin, side, px),
            coalesce(lower(liquidation ->> 'liquidatedUser') = user_address, false)
        FROM fills
        WHERE time >= {day} AND time < {day} + 86400000
            AND is_perp(coin) AND start_position IS NOT NULL
    ) TO STDOUT (FORMAT csv)"""
_MONEY = pl.Decimal(38, 12)
_SCHEMA = {
    "user_address": pl.String(), "coin": pl.String(), "time": pl.Int64(),
    "block_number": pl.Int64(), "event_index": pl.Int64(), "px": pl.Float64(), "sz": _MONEY,
    "sign": pl.Int64(), "start_position": _MONEY, "closed_pnl": _MONEY, "fee": _MONEY,
    "is_victim": pl.String(),
}  # fmt: skip
_TRIP = (
    "direction", "opened_at", "closed_at", "fill_count", "peak", "entry", "exit", "pnl", "fees",
    "is_liquidated", "pair", "seq",
)  # fmt: skip
_POSITION = ("pair", "fills", "first", "last", "closed", "hold", "censored", "breaks", "position")


def copy_out(warehouse: Warehouse, day: date) -> pl.DataFrame:
    """The day's perp fills, only the columns needed, in the order of each position."""
    text = io.BytesIO()
    statement = _FILLS.format(day=day_start_ms(day))
    with (
        warehouse.connect(read_only=True) as connection,
        connection.cursor() as cursor,
        cursor.copy(statement.encode()) as copy,
    ):
        for piece in copy:
            text.write(piece)
    text.seek(0)
    fills = pl.read_csv(text, has_header=False, schema=_SCHEMA)
    return fills.sort("user_address", "coin", "time", "block_number", "event_index")


def follow(fills: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Round trips, and one row a position, as the statement has them."""
    pairs = pl.struct("user_address", "coin").rle_id()
    scaled = [
        (pl.col(name).round(8) * _SCALE).cast(pl.Int64).fill_null(0)
        for name in ("sz", "start_position", "closed_pnl", "fee")
    ]
    frame = fills.with_columns(*scaled, pair=pairs, is_victim=pl.col("is_victim") == "t")
    names = ("pair", "time", "px", "sz", "sign", "start_position", "closed_pnl", "fee", "is_victim")
    counts, floats, positions = _follow(*(frame[name].to_numpy() for name in names))
    keys = frame.group_by("pair", maintain_order=True).first().select("user_address", "coin")
    trips = pl.DataFrame(counts, schema=list(_TRIP), orient="row")
    trips = trips.with_columns(pl.DataFrame(floats, schema=["entered", "left", "size_ms"]))
    return (
        pl.concat([keys[trips["pair"].to_numpy()], trips], how="horizontal"),
        pl.concat([keys, pl.DataFrame(positions, schema=list(_POSITION))], how="horizontal"),
    )


@njit(cache=True)  # type: ignore[untyped-decorator]
def _follow(
    pair: Numbers,
    time: Numbers,
    px: Numbers,
    sz: Numbers,
    sign: Numbers,
    start: Numbers,
    pnl: Numbers,
    fee: Numbers,
    is_victim: Numbers,
) -> tuple[Numbers, Numbers, Numbers]:
    """Sizes and money in units of 1e-8; -1 is an opening that was not seen."""
    trips = np.empty((len(pair), 12), np.int64)
    sums = np.zeros((len(pair), 3))
    positions = np.zeros((pair[-1] + 1, 9), np.int64)
    done = 0
    for at in range(len(pair)):
        here = positions[pair[at]]
        begin, end = start[at], start[at] + sign[at] * sz[at]
        if here[1] == 0:
            here[0], here[2] = pair[at], time[at]
            opened, count, peak, entry, left, gain, paid = -1, 0, 0, 0, 0, 0, 0
            entered, exited, size_ms = 0.0, 0.0, 0.0
        elif begin != here[8]:
            here[7] += 1
            opened, count, peak, entry, left, gain, paid = -1, 0, 0, 0, 0, 0, 0
            entered, exited, size_ms = 0.0, 0.0, 0.0
        else:
            size_ms += abs(begin) / 1e8 * (time[at] - here[3])
        closes = begin != 0 and (end == 0 or (end > 0) != (begin > 0))
        opens = end != 0 and (begin == 0 or (end > 0) != (begin > 0))
        rest = fee[at]
        if begin != 0:
            count += 1
            size = abs(begin) if closes else max(abs(begin), abs(end))
            peak = max(peak, size)
            more = 0 if closes else max(abs(end) - abs(begin), 0)
            less = abs(begin) if closes else max(abs(begin) - abs(end), 0)
            entry, left = entry + more, left + less
            entered += px[at] * more / 1e8
            exited += px[at] * less / 1e8
            gain += pnl[at]
            first = fee[at]
            if opens:
                first = np.int64(fee[at] * (abs(begin) / sz[at]))
            paid, rest = paid + first, fee[at] - first
            if closes:
                here[6 if opened < 0 else 4] += 1
                here[5] += 0 if opened < 0 else time[at] - opened
                trip = trips[done]
                trip[0], trip[1], trip[2], trip[3] = (begin > 0) * 2 - 1, opened, time[at], count
                trip[4], trip[5], trip[6], trip[7], trip[8] = peak, entry, left, gain, paid
                trip[9], trip[10], trip[11] = is_victim[at], pair[at], here[4] + here[6]
                sums[done, 0], sums[done, 1], sums[done, 2] = entered, exited, size_ms
                done += 1
        if opens:
            opened, count, peak, entry, left = time[at], 1, abs(end), abs(end), 0
            entered, exited, size_ms = px[at] * abs(end) / 1e8, 0.0, 0.0
            gain, paid = (0 if closes else pnl[at]), rest
        here[1], here[3], here[8] = here[1] + 1, time[at], end
    return trips[:done], sums[:done], positions


def copy_back(
    warehouse: Warehouse, day: date, trips: pl.DataFrame, positions: pl.DataFrame
) -> None:
    """Into tables that have the indexes of the product's."""
    unscaled = [
        (pl.col(name).cast(_MONEY) / _SCALE).alias(name)
        for name in ("peak", "entry", "exit", "pnl", "fees")
    ]
    start = pl.lit(day_start_ms(day)).alias("day")
    opened = pl.when(pl.col("opened_at") >= 0).then(pl.col("opened_at"))
    rows = trips.with_columns(start, *unscaled, opened_at=opened).select(
        *("day", "user_address", "coin", "seq"),
        pl.when(pl.col("direction") > 0).then(pl.lit("long")).otherwise(pl.lit("short")),
        *("opened_at", "closed_at"),
        (pl.col("closed_at") - pl.col("opened_at")).alias("hold_ms"),
        *("fill_count", "peak", "entry", "entered", "exit", "left", "pnl", "fees"),
        (pl.col("pnl") - pl.col("fees")).alias("net_pnl"),
        *(pl.lit(0).alias("unpriced"), "size_ms", pl.col("is_liquidated") == 1),
    )
    held = positions.with_columns(start, (pl.col("position").cast(_MONEY) / _SCALE)).select(
        *("day", "user_address", "coin", "fills", "first", "last", "closed", "hold", "censored"),
        *("breaks", "position"),
    )
    columns = (
        "day, user_address, coin, fill_count, first_time, last_time, closed_trades, hold_ms,"
        " left_censored_trades, continuity_breaks, position"
    )
    with warehouse.connect() as connection:
        for table, frame, names in (
            ("round_trips", rows, ""),
            ("trader_coin_daily", held, f" ({columns})"),
        ):
            copied = f"loop_{table}"
            connection.execute(f"DROP TABLE IF EXISTS {copied}".encode())
            connection.execute(f"CREATE TABLE {copied} (LIKE {table} INCLUDING ALL)".encode())
            text = io.BytesIO()
            frame.write_csv(text, include_header=False)
            copy_in = f"COPY {copied}{names} FROM STDIN (FORMAT csv)".encode()
            with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
                copy.write(text.getvalue())


def prove_same_trips(warehouse: Warehouse, day: date) -> int:
    """Raises `AssertionError` where the loop's round trips are others; gives their number."""
    exact = (
        "count(*), sum(fill_count), sum(hold_ms), sum(peak_size), sum(entry_size), sum(exit_size),"
        " sum(gross_pnl), count(opened_at), count(*) FILTER (WHERE is_liquidated)"
    )
    near = "sum(fees), sum(entry_notional), sum(exit_notional), sum(size_ms)"
    with warehouse.connect(read_only=True) as connection:
        found = [
            connection.execute(f"SELECT {exact}, {near} FROM {table}".encode()).fetchone()
            for table in (
                "loop_round_trips",
                f"(SELECT * FROM round_trips WHERE day = {day_start_ms(day)}) AS t",
            )
        ]
    (loop, statement) = found
    assert loop is not None
    assert statement is not None
    assert loop[:9] == statement[:9], found
    assert all(abs(a - b) <= abs(b) / 10**6 for a, b in zip(loop[9:], statement[9:], strict=True))
    return int(loop[0])
