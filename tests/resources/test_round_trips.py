"""Round trips built by the day, in any order and again, against one walk over all history."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql

from tests.conftest import Installation
from tests.reference.round_trips import Fill, follow, random_fills
from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_resources import statements
from vigil_resources.database.round_trips import RELATION

FIRST = day_start_ms(date(2025, 9, 1))
DAYS = [FIRST + i * DAY_MS for i in range(6)]
USERS = [f"0x{i:040x}" for i in range(4)]
COINS = ["BTC", "xyz:TSLA", "kPEPE"]

STATE_COLUMNS = (
    "day, user_address, coin, closed_trades, hold_ms, left_censored_trades, continuity_breaks, "
    "position, open_since"
)


def put(vigil: Installation, day: int, fills: Sequence[Fill]) -> None:
    """Make these the day's fills, as a load would."""
    partition = sql.Identifier("fill_days", f"d{day_of(day):%Y%m%d}")
    bounds = {"day": partition, "start": sql.Literal(day), "end": sql.Literal(day + DAY_MS)}
    with vigil.warehouse.connect() as connection:
        connection.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {day} PARTITION OF fills "
                "FOR VALUES FROM ({start}) TO ({end})"
            ).format(**bounds)
        )
        connection.execute("DELETE FROM fills WHERE time >= %s AND time < %s", [day, day + DAY_MS])
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO fills (user_address, coin, px, sz, side, time, block_number, "
                "event_index, start_position, closed_pnl, fee, fee_token, liquidation, oid, tid) "
                "VALUES (%(user)s, %(coin)s, %(px)s, %(sz)s, %(side)s, %(time)s, %(block_number)s, "
                "%(event_index)s, %(start_position)s, %(closed_pnl)s, %(fee)s, %(fee_token)s, "
                "%(liquidation)s, %(number)s, %(number)s)",
                [_row(fill, number) for number, fill in enumerate(fills)],
            )
        connection.execute(
            "INSERT INTO day_state (day, source, content_version, generation, row_count, "
            "repeated_count, missing_hours, loaded_at) "
            "VALUES (%s, 'test', '', nextval('generation'), 0, 0, '{}', now()) "
            "ON CONFLICT (day) DO UPDATE SET generation = excluded.generation",
            [day],
        )


def _row(fill: Fill, number: int) -> dict[str, Any]:
    victim = {"liquidatedUser": fill.liquidated_user, "method": "market"}
    liquidation = json.dumps(victim) if fill.liquidated_user else None
    return asdict(fill) | {"liquidation": liquidation, "number": number}


def build(vigil: Installation, day: int) -> None:
    vigil.warehouse.build_day(RELATION, day_of(day))


def assert_as_followed(vigil: Installation, fills: Sequence[Fill]) -> None:
    trips, states = follow(fills)
    assert trips
    found = vigil.records("SELECT * FROM round_trips ORDER BY day, user_address, coin, seq")
    assert found == [asdict(trip) for trip in trips]
    found = vigil.records(
        f"SELECT {STATE_COLUMNS} FROM trader_coin_daily WHERE position IS NOT NULL "
        "ORDER BY day, user_address, coin"
    )
    assert found == [asdict(state) for state in states]


def of_day(fills: Sequence[Fill], day: int) -> list[Fill]:
    return [fill for fill in fills if day <= fill.time < day + DAY_MS]


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_days_and_any_reload_end_as_one_walk(vigil: Installation, seed: int) -> None:
    rng = random.Random(seed)
    fills = random_fills(rng, USERS, COINS, DAYS, 12)
    order = list(DAYS)
    rng.shuffle(order)
    for day in order:
        put(vigil, day, of_day(fills, day))
        build(vigil, day)
    assert_as_followed(vigil, fills)

    for day in rng.sample(DAYS, 3):
        gone = set(rng.sample(of_day(fills, day), 3))
        fills = [fill for fill in fills if fill not in gone]
        put(vigil, day, of_day(fills, day))
        build(vigil, day)
        assert_as_followed(vigil, fills)

    # Two days behind at once, the later one built first.
    for day in DAYS[1:3]:
        gone = set(rng.sample(of_day(fills, day), 2))
        fills = [fill for fill in fills if fill not in gone]
        put(vigil, day, of_day(fills, day))
    for day in (DAYS[2], DAYS[1]):
        build(vigil, day)
    assert_as_followed(vigil, fills)


def _step(day: int, side: str, size: str, start: str, user: str = USERS[0]) -> Fill:
    return Fill(
        user=user,
        coin="BTC",
        px=Decimal(100),
        sz=Decimal(size),
        side=side,
        time=DAYS[day] + 3_600_000,
        block_number=1,
        event_index=0,
        start_position=Decimal(start),
        closed_pnl=Decimal(0),
        fee=Decimal(0),
        fee_token="USDC",
    )


def _versions(vigil: Installation, day: int) -> dict[str, str]:
    """When each trader's row of a day was written."""
    rows = vigil.records(
        f"SELECT user_address, xmin::text AS written FROM trader_coin_daily WHERE day = {day}"
    )
    return {row["user_address"]: row["written"] for row in rows}


def test_a_reloaded_day_rewrites_later_days_only_where_they_change(vigil: Installation) -> None:
    ann, bob = USERS[:2]
    fills = [
        *[_step(0, "B", "2", "0", user) for user in (ann, bob)],
        *[_step(1, "B", "1", "2", user) for user in (ann, bob)],
        *[_step(2, "A", "3", "3", user) for user in (ann, bob)],
        *[_step(3, "B", "5", "0", user) for user in (ann, bob)],
    ]
    for day in DAYS[:4]:
        put(vigil, day, of_day(fills, day))
        build(vigil, day)
    before = [_versions(vigil, day) for day in DAYS[:4]]
    profiles = vigil.warehouse.rows("profiles/fingerprint")

    fills[0] = replace(fills[0], px=Decimal(90))
    put(vigil, DAYS[0], of_day(fills, DAYS[0]))
    build(vigil, DAYS[0])

    assert_as_followed(vigil, fills)
    after = [_versions(vigil, day) for day in DAYS[:4]]
    assert [b[bob] == a[bob] for b, a in zip(before, after, strict=True)][1:] == [True] * 3
    # Flat at the end of the third day: nothing of the change is left for the fourth.
    assert [b[ann] == a[ann] for b, a in zip(before, after, strict=True)] == [
        False,
        False,
        False,
        True,
    ]
    assert vigil.warehouse.rows("profiles/fingerprint") != profiles


def test_a_day_built_again_changes_nothing_behind_it(vigil: Installation) -> None:
    fills = random_fills(random.Random(9), USERS, COINS, DAYS[:2], 8)
    for day in DAYS[:2]:
        put(vigil, day, of_day(fills, day))
        build(vigil, day)
    profiles = vigil.warehouse.rows("profiles/fingerprint")
    before = _versions(vigil, DAYS[1])

    build(vigil, DAYS[0])

    assert _versions(vigil, DAYS[1]) == before
    assert vigil.warehouse.rows("profiles/fingerprint") == profiles
    assert_as_followed(vigil, fills)


def test_a_fill_that_tells_no_position_does_not_end_the_time_one_was_held(
    vigil: Installation,
) -> None:
    silent = replace(_step(0, "B", "1", "0"), time=DAYS[0] + 9_000_000, start_position=None)
    fills = [_step(0, "B", "2", "0"), silent, _step(1, "A", "2", "2")]
    for day in DAYS[:2]:
        put(vigil, day, of_day(fills, day))
        build(vigil, day)

    assert_as_followed(vigil, fills)


def test_another_text_makes_every_day_stale(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(vigil, DAYS[0], [_step(0, "B", "2", "0")])
    build(vigil, DAYS[0])
    assert vigil.warehouse.stale_days(RELATION) == set()

    original = statements.query
    statements.digest_of.cache_clear()
    monkeypatch.setattr(statements, "query", lambda name: original(name) + "-- changed")
    try:
        assert vigil.warehouse.stale_days(RELATION) == {day_of(DAYS[0])}
    finally:
        statements.digest_of.cache_clear()
