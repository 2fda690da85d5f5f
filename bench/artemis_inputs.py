"""What `bench artemis` works on, made up: the same seed gives the same files.

Fills have both sides: whatever a wallet of `bench.fifo.made_up_day` trades, another wallet takes
the other side of, always the same one. So positions go on without gaps and longs equal shorts.
"""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.artemis_original import open_database
from bench.fifo import made_up_day, texts
from bench.hours import DAY
from vigil_core.artemis.parameters import MINUTE_MS, STEP_MS
from vigil_core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY, day_start_ms
from vigil_core.fills.arrow import frame_table, joined
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.files.decoding import part_writer
from vigil_resources.files.lake import Lake

START = day_start_ms(DAY)
BALANCES_TAKEN = 2 * HOUR_MS + 15 * MINUTE_MS
"""After midnight."""

_LIQUIDATED_SHARE = 0.01
_POSITIONS = 300_000
"""In one snapshot of balances; a quarter of them in the first three of 150 coins."""
_BOTS = 300
_FUNDING_DAYS, _OI_DAYS = 31, 8

Numbers = np.ndarray[Any, np.dtype[Any]]


# --- fills ---------------------------------------------------------------------------------


def write_fills(lake: Lake, folder: Path, fills: int, coins: int, *, quarter: bool = False) -> None:
    """Put a day of so many fills of so many coins into the lake, an object an hour.

    A quarter is all that one wallet in four did in that day.
    """
    rows = pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), _both_sides(fills, coins)], how="diagonal")
    if quarter:
        rows = rows.filter(pl.col("user_address").str.contains("[048c]$"))
    path = folder / "hour.parquet"
    for hour in range(HOURS_PER_DAY):
        begin = START + hour * HOUR_MS
        own = rows.filter(pl.col("time").is_between(begin, begin + HOUR_MS, closed="left"))
        with part_writer(path) as writer:
            for group in own.iter_slices(65_536):
                writer.write_table(joined([frame_table(group)]))
        lake.put_part(SourceHour(DAY, hour), "bench", DAY, path)


def _both_sides(fills: int, coins: int) -> pl.DataFrame:
    """Columns of the lake that the measured parts read; one fill in a hundred is a liquidation."""
    chance = np.random.default_rng(2)
    own = made_up_day(fills // 2, coins=coins).with_row_index("tid", offset=1)
    victim = pl.concat_str(
        pl.lit('{"liquidatedUser":"'), "user_address", pl.lit('","markPx":"1.5","method":"market"}')
    )
    is_victim = pl.Series(chance.random(own.height) < _LIQUIDATED_SHARE)
    takers = own.with_columns(
        pl.col("tid").cast(pl.Int64),
        (2 * pl.col("event_index")).alias("event_index"),
        pl.lit(value=True).alias("crossed"),
        pl.when(is_victim).then(victim).alias("liquidation"),
    )
    makers = takers.with_columns(
        (pl.lit("0xf") + pl.col("user_address").str.slice(3)).alias("user_address"),
        pl.when(pl.col("side") == "B").then(pl.lit("A")).otherwise(pl.lit("B")).alias("side"),
        -pl.col("start_position"),
        pl.col("event_index") + 1,
        pl.lit(value=False).alias("crossed"),
        (pl.col("fee") / 3).cast(MONEY),
    )
    both = pl.concat([takers, makers]).sort("block_number", "event_index")
    buys = pl.col("side") == "B"
    opens = (pl.col("start_position") == 0) | ((pl.col("start_position") > 0) == buys)
    is_long = buys == opens
    return both.with_columns(
        pl.format(
            "{} {}",
            pl.when(opens).then(pl.lit("Open")).otherwise(pl.lit("Close")),
            pl.when(is_long).then(pl.lit("Long")).otherwise(pl.lit("Short")),
        ).alias("dir"),
        (pl.col("time") * 1_000_000).alias("block_time"),
        pl.col("tid").alias("oid"),
    )


# --- balances ------------------------------------------------------------------------------


def write_balances(path: Path, accounts: int, coins: int) -> None:
    """Write a line per account, of the layout that the files have; many hold nothing."""
    chance = np.random.default_rng(3)
    counts = chance.geometric(0.35, accounts) - 1
    total = int(counts.sum())
    coin = ((coins * chance.random(total) ** 3).astype(np.int64)).tolist()
    usd = chance.lognormal(7, 2.2, total)
    px = 1.0 + np.array(coin)
    sizes = np.where(chance.random(total) < 0.5, 1, -1) * usd / px
    levels = px * chance.uniform(0.7, 1.3, total)
    columns = zip(coin, sizes.tolist(), px.tolist(), levels.tolist(), usd.tolist(), strict=True)
    held = [
        f'{{"type":"oneWay","position":{{"coin":"C{n}","szi":"{size:.4f}",'
        f'"leverage":{{"type":"cross","value":20}},"entryPx":"{price * 1.01:.5f}",'
        f'"positionValue":"{value:.6f}","unrealizedPnl":"{value * 0.01:.6f}",'
        f'"returnOnEquity":"0.2","liquidationPx":"{level:.8f}","marginUsed":"{value / 20:.6f}",'
        f'"maxLeverage":40,"cumFunding":{{"allTime":"1.5","sinceOpen":"0.5","sinceChange":"0.1"}}}}}}'
        for n, size, price, level, value in columns
    ]
    first = datetime.fromtimestamp(START / 1000, UTC).replace(tzinfo=None) + timedelta(hours=2)
    ends = counts.cumsum().tolist()
    with path.open("w") as file:
        file.write(f'{{"_metadata":true,"records":{accounts}}}\n')
        for nth, (address, count, end) in enumerate(
            zip(texts(accounts), counts.tolist(), ends, strict=True)
        ):
            at = (first + timedelta(milliseconds=9 * nth)).isoformat(timespec="microseconds")
            # No account holds a coin twice.
            own = dict(zip(coin[end - count : end], held[end - count : end], strict=True))
            margin = '{"accountValue":"28654.55878","totalNtlPos":"5048.47798",'
            margin += '"totalRawUsd":"28000.1","totalMarginUsed":"1682.825993"}'
            file.write(
                f'{{"address":"{address}","timestamp":"{at}","response":{{"perpetual":'
                f'{{"marginSummary":{margin},"crossMarginSummary":{margin},'
                f'"crossMaintenanceMarginUsed":"63.1","withdrawable":"51862.2",'
                f'"assetPositions":[{",".join(own.values())}],"time":{START}}},'
                f'"spot":{{"balances":[]}}}}}}\n'
            )


# --- tables of the market --------------------------------------------------------------------


def write_market(folder: Path, coins: int) -> None:
    """Write what snapshots and labels of a day are made from, a file a table, and as SQLite."""
    folder.mkdir()
    tables = _market_tables(coins)
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    connection = open_database(folder / "original.db")
    _fill_database(connection, tables)
    connection.close()


def _market_tables(coins: int) -> dict[str, pl.DataFrame]:
    """Names and columns of `MarketTables`, and `coin`; candles have all that labels need."""
    chance = np.random.default_rng(4)
    minutes = _candles_1m(chance, coins)
    five = _candles_5m(minutes)
    flow = five.filter(pl.col("open_time") < START + DAY_MS).select(
        "coin",
        pl.col("open_time").alias("recorded_at"),
        (pl.col("close") * pl.col("volume")).cast(MONEY).alias("volume_usd"),
    )
    share = _money(chance.integers(0, 1_001, flow.height), 3)
    bought = (pl.col("volume_usd") * share).cast(MONEY)
    flow = flow.with_columns(bought.alias("buy_volume_usd")).with_columns(
        (pl.col("volume_usd") - pl.col("buy_volume_usd")).alias("sell_volume_usd")
    )
    snapshots = [START + BALANCES_TAKEN - DAY_MS * number for number in range(_OI_DAYS)]
    marks = np.arange(START - _OI_DAYS * DAY_MS, START + DAY_MS, STEP_MS)
    hours = np.arange(START - _FUNDING_DAYS * DAY_MS, START + DAY_MS, HOUR_MS) + 50
    rates = chance.integers(-20_000, 40_000, coins * len(hours))
    changes = _grid(coins, np.arange(START - 27 * HOUR_MS, START + DAY_MS, STEP_MS), "start")
    at = START - 6 * HOUR_MS + np.sort(chance.integers(0, 30 * HOUR_MS, 100 * coins))
    died = _coin_names(chance.integers(0, coins, len(at)))
    return {
        "candles_1m": minutes,
        "candles_5m": five,
        "flow": flow,
        "liquidations": pl.DataFrame(
            {
                "coin": died,
                "occurred_at": at,
                "size_usd": _money(chance.integers(10_000, 50_000_000, len(at)), 2),
            }
        ),
        "oi": pl.concat(
            [_oi(chance, coins, snapshots, "snapshot"), _oi(chance, coins, marks, "carried")]
        ),
        "oi_changes": changes.with_columns(
            (pl.col("start") + STEP_MS).alias("end"),
            _money(chance.integers(-50_000, 50_000, changes.height), 2).alias("change_base"),
        ),
        "funding": _grid(coins, hours, "time").with_columns(_money(rates, 9).alias("rate")),
        "positions": pl.concat(
            [_positions(chance, coins, recorded_at) for recorded_at in snapshots[:2]]
        ),
        "balances": pl.DataFrame({"recorded_at": snapshots[:2]}),
        "bots": pl.DataFrame({"as_of": START, "address": texts(_BOTS)}),
    }


def _candles_1m(chance: np.random.Generator, coins: int) -> pl.DataFrame:
    """From 27 hours before the day to four after it, without a gap; every coin walks for itself."""
    opens = np.arange(START - 27 * HOUR_MS, START + DAY_MS + 4 * HOUR_MS, MINUTE_MS)
    steps = chance.normal(0, 5e-4, (coins, len(opens) + 1)).cumsum(axis=1)
    level = 1_000_000 * (1 + np.arange(coins))[:, None]
    prices = np.rint(level * np.exp(steps)).astype(np.int64)
    before, close = prices[:, :-1].ravel(), prices[:, 1:].ravel()
    wick = np.rint(close * abs(chance.normal(0, 2e-4, close.size))).astype(np.int64)
    return _grid(coins, opens, "open_time").with_columns(
        _money(before, 6).alias("open"),
        _money(np.maximum(before, close) + wick, 6).alias("high"),
        _money(np.minimum(before, close) - wick, 6).alias("low"),
        _money(close, 6).alias("close"),
        _money(chance.integers(1, 90_000, close.size), 3).alias("volume"),
        pl.lit(value=False).alias("filled"),
    )


def _candles_5m(minutes: pl.DataFrame) -> pl.DataFrame:
    opens = (pl.col("open_time") // STEP_MS * STEP_MS).alias("open_time")
    return minutes.group_by("coin", opens, maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )


def _oi(chance: np.random.Generator, coins: int, at: Any, kind: str) -> pl.DataFrame:
    rows = _grid(coins, np.array(at), "recorded_at")
    base = chance.integers(900_000_000, 1_100_000_000, rows.height)
    return rows.with_columns(
        pl.lit(kind).alias("kind"),
        _money(base, 1).alias("oi_usd"),
        _money(base, 2).alias("oi_base"),
        pl.lit(value=True).alias("usable"),
    )


def _positions(chance: np.random.Generator, coins: int, recorded_at: int) -> pl.DataFrame:
    coin = (coins * chance.random(_POSITIONS) ** 3).astype(np.int64)
    usd = np.rint(chance.lognormal(8, 2, _POSITIONS) * 100).astype(np.int64)
    size = np.where(chance.random(_POSITIONS) < 0.5, 1, -1) * usd
    level = 1_000_000 * (1 + coin) * np.where(size > 0, 0.9, 1.1)
    level = np.rint(level * chance.normal(1, 0.05, _POSITIONS)).astype(np.int64)
    return pl.DataFrame(
        {
            "coin": _coin_names(coin),
            "recorded_at": recorded_at,
            "address": pl.Series(texts(_POSITIONS)),
            "szi": _money(size, 4),
            "position_value": _money(usd, 2),
            "liquidation_px": _money(np.maximum(level, 1), 6),
        }
    )


def _grid(coins: int, times: Numbers, name: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "coin": _coin_names(np.repeat(np.arange(coins), len(times))),
            name: np.tile(times, coins),
        }
    )


def _coin_names(numbers: Numbers) -> pl.Series:
    names = pl.Series([f"C{number}" for number in range(int(numbers.max()) + 1)])
    return names.gather(numbers)


def _money(units: Numbers, decimals: int) -> pl.Series:
    """Whole units of the last of so many decimals."""
    whole = pl.Series(units, dtype=pl.Int64).cast(pl.Int128)
    return whole.reinterpret(dtype=pl.Decimal(38, decimals)).cast(MONEY)


def _fill_database(connection: sqlite3.Connection, tables: dict[str, pl.DataFrame]) -> None:
    counted = tables["oi"].filter(pl.col("kind") == "snapshot")
    rows = {
        "oi_history": counted.select("coin", "recorded_at", "oi_usd"),
        "volume_history": tables["flow"].select("coin", "recorded_at", "volume_usd"),
        "funding_history": tables["funding"].select("coin", "time", "rate"),
        "liquidation_events": tables["liquidations"].select("coin", "occurred_at", "size_usd"),
    }
    for table, frame in rows.items():
        floats = frame.with_columns(pl.col(MONEY).cast(pl.Float64))
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", floats.iter_rows())
    connection.commit()
