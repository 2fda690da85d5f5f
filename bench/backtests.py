"""Backtests, measured: `python -m bench backtests [--days N] [--trades N] [--signals N]`.

The same engine over the same made-up tape, three ways to read it:

    windows   the prints around a day's orders in one question, by the key's index (ours)
    orders    a question per order
    days      every print of each day, in a frame; the orders look into that

Results are proved equal before anything is printed. The tape is made in the database: `trades`
trades a day of ten coins, two rows each, and one leader with `signals` signals a day.
"""

import argparse
import tempfile
import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
from psycopg import sql

from bench.warehouse import title
from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.desk.backtest_request import BacktestRequest, canonical, parse_request
from vigil_core.desk.backtest_result import result_of
from vigil_core.desk.markets import Print, Window
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.desk.backtests import Replay

LEADER = "0x" + "a" * 40
FIRST = date(2025, 9, 1)

_CREATE = "CREATE TABLE {} PARTITION OF fills FOR VALUES FROM ({}) TO ({})"
_TAPE = """
INSERT INTO fills (
    user_address, coin, px, sz, side, time, block_number, event_index, start_position, closed_pnl,
    fee, fee_token, crossed, dir, oid, tid
)
SELECT
    CASE WHEN t.is_leaders AND s.side = t.taker THEN {leader}
         ELSE '0x' || lpad(to_hex((g.n * 7919 + (s.side = 'A')::int) % 3000), 40, '0') END,
    t.coin,
    round((60000 + 3000 * sin(g.n / {trades}::float8 * 25))::numeric, 1),
    0.5,
    s.side,
    {day} + g.n * 86400000::bigint / {trades},
    {day} / 1000 + g.n,
    (s.side = 'A')::int,
    CASE WHEN t.is_leaders AND s.side = t.taker AND t.taker = 'A' THEN 0.5 ELSE 0 END,
    0,
    0.01,
    'USDC',
    s.side = t.taker,
    'Open Long',
    g.n * 2 + (s.side = 'A')::int,
    g.n
FROM generate_series(0, {trades} - 1) AS g (n)
CROSS JOIN LATERAL (
    SELECT
        g.n % {every} = 7 AS is_leaders,
        CASE
            WHEN g.n % {every} = 7 THEN CASE (g.n / {every}) % 2 WHEN 0 THEN 'B' ELSE 'A' END
            WHEN hashint8(g.n) % 2 = 0 THEN 'B'
            ELSE 'A'
        END AS taker,
        CASE
            WHEN g.n % {every} = 7 THEN 'BTC'
            ELSE (ARRAY['BTC', 'BTC', 'ETH', 'SOL', 'HYPE', 'DOGE', 'XRP', 'SUI', 'kPEPE', 'ENA'])
                [1 + abs(hashint8(g.n * 31)) % 10]
        END AS coin
) AS t
CROSS JOIN (VALUES ('A'), ('B')) AS s (side)
"""
_STATE = """
INSERT INTO day_state (
    day, source, content_version, generation, row_count, repeated_count, missing_hours, loaded_at
) VALUES (%s, 'bench', '', nextval('generation'), %s, 0, '{}', now())
"""
_DAY = """
SELECT time, coin, px::text AS px, sz::text AS sz, side FROM fills
WHERE time >= %s AND time < %s AND crossed AND is_on_book(dir)
ORDER BY time, block_number, event_index
"""


class PerOrder(Replay):
    """Asks for each order's prints by themselves."""

    def _prints(self, windows: list[Window]) -> dict[Window, list[Print]]:
        found: dict[Window, list[Print]] = {}
        for window in windows:
            found |= super()._prints([window])
        return found


class PerDay(Replay):
    """Takes every print of the days that the orders lie in."""

    def _prints(self, windows: list[Window]) -> dict[Window, list[Print]]:
        if not windows:
            return {}
        first = min(window.start for window in windows)
        last = max(window.end for window in windows)
        rows = self._connection.execute(_DAY, [first, last]).fetchall()
        columns = ["time", "coin", "px", "sz", "side"]
        day = pl.DataFrame(rows, schema=columns, orient="row")
        return {window: _cut(day, window) for window in windows}


def _cut(day: pl.DataFrame, window: Window) -> list[Print]:
    inside = (pl.col("time") >= window.start) & (pl.col("time") < window.end)
    rows = day.filter(inside & (pl.col("coin") == window.coin))
    return [
        Print(at, Decimal(px), Decimal(sz), "buy" if side == "B" else "sell")
        for at, px, sz, side in rows.select("time", "px", "sz", "side").iter_rows()
    ]


def make_tape(warehouse: Warehouse, days: int, trades: int, signals: int) -> None:
    """Fill the days; their partitions get the indexes that a load gives them."""
    for number in range(days):
        day = day_start_ms(FIRST) + number * DAY_MS
        name = sql.Identifier("fill_days", f"d{day_of(day):%Y%m%d}")
        parts = {"leader": LEADER, "day": day, "trades": trades, "every": trades // signals}
        tape = sql.SQL(_TAPE).format(**{key: sql.Literal(part) for key, part in parts.items()})
        with warehouse.connect() as connection:
            connection.execute(
                sql.SQL(_CREATE).format(name, sql.Literal(day), sql.Literal(day + DAY_MS))
            )
            connection.execute(tape)
            connection.execute(_STATE, [day, 2 * trades])
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("ANALYZE fills")


def measure(
    warehouse: Warehouse, request: BacktestRequest, replay: type[Replay]
) -> tuple[float, str]:
    """Seconds of the best of three, and the result as text."""
    seconds, text = [], ""
    for _ in range(3):
        began = time.perf_counter()
        with warehouse.connect(read_only=True) as connection:
            run = replay(connection, request, request.traders).run(lambda *_: None)
        seconds.append(time.perf_counter() - began)
        text = canonical(result_of(run))
    return min(seconds), text


def main() -> None:
    """Make the tape, prove the results equal, print the ratios."""
    parser = argparse.ArgumentParser(prog="bench backtests")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--trades", type=int, default=50_000)
    parser.add_argument("--signals", type=int, default=40)
    asked = parser.parse_args()
    request = parse_request(
        {
            "traders": [LEADER],
            "start": str(FIRST),
            "end": str(FIRST + timedelta(days=asked.days)),
            "require_confidence": False,
            "require_leverage": False,
            "settings": {"min_confidence": 0},
        }
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder)).session() as server,
    ):
        server.ensure_database("bench")
        warehouse = Warehouse(server.url("bench"))
        warehouse.install()
        make_tape(warehouse, asked.days, asked.trades, asked.signals)
        title(f"{asked.days} days of {2 * asked.trades:,} rows, {asked.signals} signals a day")
        ours, wanted = measure(warehouse, request, Replay)
        print(f"windows  {ours:8.2f} s  {ours / asked.days * 1_000:8.1f} ms a day")
        for name, replay in (("orders", PerOrder), ("days", PerDay)):
            seconds, text = measure(warehouse, request, replay)
            if text != wanted:
                raise SystemExit(f"bench: {name} gives another result")
            print(f"{name:<8} {seconds:8.2f} s  {seconds / ours:8.1f} times as long")


if __name__ == "__main__":
    main()
