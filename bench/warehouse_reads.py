"""What is asked of a full warehouse: the profiles of many traders, and every view and query.

Traders and their days are made by one SELECT that Postgres and DuckDB read alike.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import duckdb
import psycopg

from bench.warehouse_contestants import profiles_in_duckdb
from bench.warehouse_engines import ROUND_TRIPS, Cost, Engine
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_resources.database import round_trips
from vigil_resources.database.backends import Backend
from vigil_resources.database.warehouse import CLASSIFIED_BY, FOREVER, Warehouse
from vigil_resources.statements import SQL_ROOT, query

PROFILE_STEPS = ("compute", "delete_gone", "upsert_changed")
SLOW_MS = 2_000
_FOLDERS = ("health", "profiles", "analysis", "positions", "fills", "aggregates")
_SAMPLED = 50

# --- profiles ------------------------------------------------------------------------------

_ADDRESS = "'0x' || md5(CAST(t.n AS text)) || 'abcd1234'"
_TRADER_DAYS = """
    SELECT
        CAST(d.n * 86400000 AS bigint)                     AS day,
        {address}                                          AS user_address,
        CAST(x.n % 40 + 1 AS bigint)                       AS fill_count,
        (x.n % 9000011 + 1000) * 0.0137                    AS volume,
        CAST(2 AS bigint)                                  AS unique_coins,
        (x.n % 900001 - 400000) * 0.013 * (t.n % 3 + 1)    AS realized_pnl,
        (x.n % 7001) * 0.0031                              AS fees_paid,
        (x.n % 11) * 0.01                                  AS builder_fees_paid,
        CAST(0 AS bigint)                                  AS unpriced_fee_fills,
        CAST((x.n % 40 + 1) - (x.n % 40 + 1) * (t.n % 5) / 5 AS bigint) AS taker_fills,
        CAST((x.n % 40 + 1) * (t.n % 5) / 5 AS bigint)     AS maker_fills,
        CAST(x.n % 9 AS bigint)                            AS winning_fills,
        CAST(x.n % 7 AS bigint)                            AS losing_fills,
        CAST(x.n % 9 + x.n % 7 AS bigint)                  AS closing_fills,
        CAST(x.n % 5 AS bigint)                            AS open_long_count,
        CAST(x.n % 6 AS bigint)                            AS open_short_count,
        CAST(CASE WHEN x.n % 97 = 0 THEN 3 ELSE 0 END AS bigint) AS liquidation_fills,
        CASE WHEN x.n % 97 = 0 THEN 12.5 ELSE 0 END        AS liquidation_volume,
        CAST(0 AS bigint)                                  AS twap_fills,
        0.0                                                AS twap_volume
    FROM generate_series(20000::bigint, 19999::bigint + {days}) AS d (n)
    CROSS JOIN generate_series(1::bigint, {traders}::bigint) AS t (n)
    CROSS JOIN LATERAL (SELECT (t.n * 7919 + d.n * 104729) % 1000003 * 31 AS n) AS x"""
_COIN_DAYS = """
    SELECT
        CAST(d.n * 86400000 AS bigint)          AS day,
        {address}                               AS user_address,
        'COIN' || CAST((t.n + c.n * (1 + (t.n + d.n) % 3)) % 150 AS text) AS coin,
        CAST(x.n % 20 + 1 AS bigint)            AS fill_count,
        CAST(d.n * 86400000 + x.n % 40000000 AS bigint)            AS first_time,
        CAST(d.n * 86400000 + 40000000 + x.n % 40000000 AS bigint) AS last_time,
        CAST(x.n % 3 AS bigint)                 AS closed_trades,
        CAST(x.n % 3 * (x.n % 90000000) AS bigint) AS hold_ms,
        CAST(0 AS bigint)                       AS left_censored_trades,
        CAST(0 AS bigint)                       AS continuity_breaks,
        (x.n % 1000) * 0.01                     AS position,
        CAST(d.n * 86400000 + 80000000 AS bigint) AS position_time
    FROM generate_series(20000::bigint, 19999::bigint + {days}) AS d (n)
    CROSS JOIN generate_series(1::bigint, {traders}::bigint) AS t (n)
    CROSS JOIN generate_series(1::bigint, 3::bigint) AS c (n)
    CROSS JOIN LATERAL (SELECT (t.n * 7919 + d.n * 104729 + c.n * 1299709) % 1000003 AS n) AS x
    WHERE c.n < 3 OR (t.n + d.n) % 4 = 0"""
_INDEXES = (
    "ALTER TABLE trader_coin_daily ADD PRIMARY KEY (day, user_address, coin)",
    "CREATE INDEX trader_coin_daily_user_coin ON trader_coin_daily (user_address, coin, day)",
)


def make_traders(engines: list[Engine], traders: int, days: int) -> None:
    """Fill the database `profiles` of each engine, side by side."""
    warehouses = [engine.database("profiles") for engine in engines]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda warehouse: _make_traders(warehouse, traders, days), warehouses))


def _make_traders(warehouse: Warehouse, traders: int, days: int) -> None:
    texts = [
        text.format(address=_ADDRESS, traders=traders, days=days)
        for text in (_TRADER_DAYS, _COIN_DAYS)
    ]
    with warehouse.connect(autocommit=True) as connection:
        target = _storage(connection, warehouse.backend)
        columns = _names(texts[0])
        connection.execute(f"INSERT INTO {target} ({columns}) {texts[0]}".encode())
        with connection.transaction():
            # Emptied in the transaction that fills it, a table is not logged.
            connection.execute("TRUNCATE trader_coin_daily")
            connection.execute(
                "ALTER TABLE trader_coin_daily DROP CONSTRAINT trader_coin_daily_pkey"
            )
            connection.execute("DROP INDEX trader_coin_daily_user_coin")
            into = f"INSERT INTO trader_coin_daily ({_names(texts[1])}) {texts[1]}"
            connection.execute(into.encode())
            for statement in _INDEXES:
                connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")


def _names(select: str) -> str:
    return ", ".join(re.findall(r" AS (\w+),?\n", select.split("FROM")[0]))


def _storage(connection: psycopg.Connection, backend: Backend) -> str:
    """The table under trader_daily: nothing can be inserted into a continuous aggregate."""
    if backend is Backend.PLAIN:
        return "trader_daily"
    row = connection.execute(
        "SELECT format('%I.%I', materialization_hypertable_schema,"
        " materialization_hypertable_name)"
        " FROM timescaledb_information.continuous_aggregates WHERE view_name = 'trader_daily'"
    ).fetchone()
    assert row is not None
    return str(row[0])


def profile_steps(engine: Engine) -> dict[str, Cost]:
    """What each statement of publishing takes; taken back in the end."""
    costs = {}
    values = {"before": FOREVER, "rule_set": CLASSIFIED_BY}
    with engine.database("profiles").connect() as connection:
        for step in PROFILE_STEPS:
            text = query(f"profiles/{step}")
            parameters = values if step == "compute" else None
            costs[step] = engine.cost(partial(connection.execute, text, parameters))
        connection.rollback()
    return costs


def types_in_duckdb(
    warehouse: Warehouse, traders: int, days: int
) -> Callable[[], list[tuple[Any, ...]]]:
    """Make the same rows in DuckDB; gives what reads them and counts traders by class."""
    connection = duckdb.connect(config={"threads": 2})
    for name, text in (("trader_daily", _TRADER_DAYS), ("trader_coin_daily", _COIN_DAYS)):
        body = text.format(address=_ADDRESS, traders=traders, days=days)
        connection.execute(f"CREATE TABLE {name} AS {body}")
    profiles_in_duckdb(connection, warehouse)

    def types() -> list[tuple[Any, ...]]:
        connection.execute(
            "CREATE OR REPLACE TABLE trader_profiles AS SELECT * FROM classified_profiles"
        )
        return connection.execute(
            "SELECT trader_type, count(*), sum(net_pnl) FROM trader_profiles GROUP BY 1 ORDER BY 1"
        ).fetchall()

    return types


# --- views and queries ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """One execution: milliseconds, and 8 kB blocks touched in memory or read."""

    ms: float
    blocks: int
    rows: int


@dataclass
class Question:
    """A statement with its parameters."""

    name: str
    text: str
    values: dict[str, Any] = field(default_factory=dict)


def questions(warehouse: Warehouse, day: date) -> Iterator[Question]:
    """Every view, every query that only reads, and what a person asks first."""
    for path in sorted((SQL_ROOT / "views").glob("*.sql")):
        yield Question(f"view {path.stem}", f"SELECT * FROM {path.stem}")
    start = day_start_ms(day)
    values: dict[str, Any] = {"relation": ROUND_TRIPS, "definition": round_trips.definition()}
    values |= {"day": start, "start": start, "end": start + DAY_MS, "one_in": _SAMPLED}
    values |= {"before": FOREVER, "rule_set": CLASSIFIED_BY}
    for folder in _FOLDERS:
        for path in sorted((SQL_ROOT / "queries" / folder).glob("*.sql")):
            text = path.read_text()
            statement = re.sub(r"^--.*\n", "", text, flags=re.M).lstrip()
            if statement.startswith(("SELECT", "WITH")) and not re.search(
                r"\{|FOR UPDATE|INSERT|DELETE|UPDATE ", statement
            ):
                yield Question(f"{folder}/{path.stem}", text, values if "%(" in text else {})
    with warehouse.connect(read_only=True) as connection:
        ((busiest,),) = connection.execute(
            "SELECT user_address FROM trader_profiles ORDER BY total_fills DESC LIMIT 1"
        ).fetchall()
        ((rare,),) = connection.execute(
            "SELECT user_address FROM trader_profiles ORDER BY abs(total_fills - 20), 1 LIMIT 1"
        ).fetchall()
    history = "SELECT * FROM fills WHERE user_address = %(user)s ORDER BY time DESC LIMIT 100"
    yield Question("history of the busiest trader", history, {"user": busiest})
    yield Question("history of a trader of 20 fills", history, {"user": rare})
    yield Question(
        "a coin's day",
        "SELECT time / 3600000 AS hour, count(*), sum(px * sz) FROM fills WHERE coin ="
        " (SELECT coin FROM coin_daily ORDER BY fill_count DESC LIMIT 1)"
        " AND time >= %(start)s AND time < %(end)s GROUP BY 1",
        {"start": start, "end": start + DAY_MS},
    )
    yield Question("count of all fills", "SELECT count(*) FROM fills")
    yield Question(
        "liquidations of an hour",
        "SELECT * FROM recent_liquidations WHERE time >= %(start)s AND time < %(end)s",
        {"start": start + DAY_MS - 3_600_000, "end": start + DAY_MS},
    )
    yield Question(
        "top ten of one type", "SELECT * FROM top_traders_by_type WHERE rank <= 10"
        " AND trader_type = 'RETAIL'"
    )  # fmt: skip


def ask(warehouse: Warehouse, question: Question) -> Read:
    """The second of two executions."""
    with warehouse.connect(read_only=True) as connection:
        cursor = psycopg.ClientCursor(connection)
        statement = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {question.text}"
        for _ in range(2):
            row = cursor.execute(statement.encode(), question.values or None).fetchone()
    assert row is not None
    (found,) = row[0] if not isinstance(row[0], str) else json.loads(row[0])
    plan = found["Plan"]
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return Read(found["Execution Time"] + found["Planning Time"], blocks, plan["Actual Rows"])
