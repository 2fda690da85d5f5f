"""Streamed rows beside fills, on both engines: what readers see, and what it costs to look."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.fills.schema import WAREHOUSE_COLUMNS
from vigil_core.live.messages import FILL_COLUMNS, TRADE_COLUMNS, Kind, Stream
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store
from vigil_resources.live.store import Batch, LiveConfirmations, LiveStore
from vigil_sandbox.world import TINY, write_world

NewDatabase = Callable[[], str]
DAY = TINY.first_day
NEXT_DAY = DAY + timedelta(days=1)
START = day_start_ms(DAY)
USER = "0x" + "ab" * 20
KEY = "time, user_address, coin, oid, tid"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    write_world(TINY, tmp_path / "raw")
    lake = Lake(Store(str(tmp_path / "lake")), tmp_path / "scratch")
    raw = RawFills(Store(str(tmp_path / "raw")))
    for day in (DAY, NEXT_DAY):
        lake.take_in_stale(raw.store, raw.manifest(day), lambda _: None)
    return lake


@pytest.fixture
def warehouse(new_database: NewDatabase) -> Warehouse:
    warehouse = Warehouse(new_database())
    warehouse.install()
    return warehouse


def a_fill(**changes: Any) -> tuple[Any, ...]:
    """As a batch has it."""
    row = {
        "time": START,
        "user_address": USER,
        "coin": "BTC",
        "px": "100.50",
        "sz": "1.0",
        "side": "B",
        "dir": "Open Long",
        "start_position": "0.0",
        "closed_pnl": "0.0",
        "fee": "0.01",
        "fee_token": "USDC",
        "crossed": True,
        "hash": "0x0",
        "oid": 1,
        "tid": 1,
    } | changes
    return (START, *map(row.get, FILL_COLUMNS))


def write(warehouse: Warehouse, **parts: Any) -> None:
    with LiveStore(warehouse) as store:
        store.want({Stream(Kind.FILLS, USER), Stream(Kind.TRADES, "BTC")})
        store.write(Batch(**parts), None, START)


def one(warehouse: Warehouse, statement: str) -> Any:
    with warehouse.connect(read_only=True) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def test_row_that_comes_again_is_kept_once_and_one_that_contradicts_is_told(
    warehouse: Warehouse,
) -> None:
    write(warehouse, fills=[a_fill(), a_fill(), a_fill(oid=2)])
    # Without a cloid before: it says more, and nothing else.
    write(warehouse, fills=[a_fill(cloid="0x12"), a_fill(px="100.500"), a_fill(px="7")])
    write(warehouse, fills=[a_fill(px="7.0"), a_fill(sz="2", closed_pnl="3")])

    assert one(warehouse, "SELECT count(*) FROM live_fills") == 2
    assert one(warehouse, "SELECT px::text FROM live_fills WHERE oid = 1") == "100.5"
    with warehouse.connect(read_only=True) as connection:
        rows = connection.execute(
            "SELECT columns, came ->> 'px' FROM live_conflicts ORDER BY received_at, columns"
        ).fetchall()
    assert [columns for columns, _ in rows].count(["px"]) >= 1
    assert ["closed_pnl", "sz"] in [columns for columns, _ in rows]
    assert one(warehouse, "SELECT row_count FROM live_days") == 2
    assert one(warehouse, "SELECT stored FROM live_streams WHERE kind = 'fills'") == 2
    assert one(warehouse, "SELECT repeated FROM live_streams WHERE kind = 'fills'") == 6

    trade = dict.fromkeys(TRADE_COLUMNS, "0x1") | {"time": START, "tid": 4, "coin": "BTC"}
    trade |= {"px": "1.0", "sz": "2", "side": "A"}
    rows = [(START, *map(t.get, TRADE_COLUMNS)) for t in (trade, trade | {"buyer": "0x2"})]
    write(warehouse, trades=rows)
    assert one(warehouse, "SELECT count(*) FROM live_trades") == 1
    assert one(warehouse, "SELECT columns FROM live_conflicts WHERE kind = 'trades'") == ["buyer"]

    # A batch is whole or absent.
    with LiveStore(warehouse) as store:
        store.want({Stream(Kind.FILLS, USER)})
        bad = a_fill(oid=9, side="X")
        with pytest.raises(psycopg.errors.CheckViolation):
            store.write(Batch(fills=[a_fill(oid=8), bad]), START, START)
        assert one(warehouse, "SELECT count(*) FROM live_fills") == 2
        # The connection was given up: the next batch has a new one.
        store.write(Batch(fills=[a_fill(oid=8)]), START, START)
    assert one(warehouse, "SELECT count(*) FROM live_fills") == 3


def copied_from_file(lake: Lake, start: int) -> list[tuple[Any, ...]]:
    """Fills of the second day as the stream would have brought them."""
    content = lake.day(NEXT_DAY)
    rows = lake.rows(content, list(WAREHOUSE_COLUMNS)).to_dicts()
    return [(start, *map(row.get, FILL_COLUMNS)) for row in rows]


def test_file_takes_the_place_of_what_was_streamed(warehouse: Warehouse, lake: Lake) -> None:
    rows = copied_from_file(lake, START)
    write(warehouse, fills=rows)
    assert one(warehouse, "SELECT count(*) FROM fills_now WHERE is_live") == len(rows)
    whole = lake.day(NEXT_DAY)
    half = replace(whole, parts=whole.parts[::2], awaits=["20250902/05"])

    warehouse.load_day(lake, half, source="test", missing_hours=[])
    loaded = one(warehouse, "SELECT count(*) FROM fills")
    assert 0 < loaded < len(rows)
    assert one(warehouse, "SELECT count(*) FROM fills_now") == len(rows)
    assert one(warehouse, "SELECT count(*) FROM fills_now WHERE is_live") == len(rows) - loaded
    assert one(warehouse, f"SELECT count(DISTINCT ({KEY})) FROM fills_now") == len(rows)

    warehouse.load_day(lake, replace(whole, awaits=[]), source="test", missing_hours=[])
    assert one(warehouse, "SELECT count(*) FROM fills_now") == len(rows)
    assert one(warehouse, "SELECT count(*) FROM fills_now WHERE is_live") == 0
    found = {c.kind: c for c in LiveConfirmations(warehouse).confirm(NEXT_DAY)}
    confirmed = sum(c.confirmed for c in found.values())
    assert confirmed == len(rows)
    assert all(c.holds for c in found.values())


QUESTIONS = {
    "by user and time": "user_address = '{user}' AND time >= {start}",
    "by coin and time": "coin = 'BTC' AND time >= {start} AND time < {start} + 60000",
    "by user": "user_address = '{user}'",
}


def test_readers_of_fills_now_use_indexes(warehouse: Warehouse, lake: Lake) -> None:
    for day in (DAY, NEXT_DAY):
        content = lake.day(day)
        warehouse.load_day(lake, replace(content, awaits=["x"]), source="test", missing_hours=[])
    # Enough rows that reading all of them would be a plain mistake.
    many = [a_fill(time=START + DAY_MS + n, oid=n, coin=f"C{n % 50}") for n in range(20_000)]
    others = [f"0x{n:040x}" for n in range(40)]
    write(warehouse, fills=[(*row[:2], others[n % 40], *row[3:]) for n, row in enumerate(many)])
    user = one(warehouse, "SELECT user_address FROM fills ORDER BY time DESC LIMIT 1")
    with warehouse.connect(autocommit=True) as connection:

        def plan(where: str) -> str:
            asked = where.format(user=user, start=START + DAY_MS)
            explain = f"EXPLAIN SELECT * FROM fills_now WHERE {asked}"
            return "\n".join(row[0] for row in connection.execute(explain))  # type: ignore[arg-type]

        connection.execute("ANALYZE")
        chosen = {name: plan(where) for name, where in QUESTIONS.items()}
        # The world is small: its days are read whole as fast as by an index. Where they could be.
        connection.execute("SET enable_seqscan = off")
        possible = {name: plan(where) for name, where in QUESTIONS.items()}
    for name in QUESTIONS:
        assert "live_fills" in chosen[name]
        assert "Seq Scan on live_fills" not in chosen[name], chosen[name]
        assert "Seq Scan on d2025" not in possible[name], possible[name]
        assert "Seq Scan on _hyper" not in possible[name], possible[name]
