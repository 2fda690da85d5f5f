"""Live-readiness on the record, and what follows from it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.conftest import Installation, installed
from tests.resources.desk import add_trader, change_trader, insert
from tests.resources.test_signal_quality import add_copy, add_signal
from vigil_core.calendar import DAY_MS, day_of
from vigil_core.desk.promotion import Needs, Record, conditions
from vigil_core.errors import IsArchived, NotFound, NotPromotable, StaleVersion
from vigil_resources.desk.intents import Intents
from vigil_resources.desk.promotions import Promotions

START = 1_757_289_600_000
GOOD = Record(
    days=14, decided_trades=20, win_rate_lower=0.2, mean_net_pnl_usd=Decimal("0.01"),
    current_drawdown=-0.1, open_alerts=0,
)  # fmt: skip
NEEDS = Needs(promotion_days=14, promotion_trades=20, drawdown_limit=-15)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("promotions")
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


@pytest.fixture
def connection(vigil: Installation) -> Iterator[psycopg.Connection]:
    with vigil.warehouse.connect() as connection:
        yield connection
        connection.rollback()


def put_record(
    connection: psycopg.Connection, trader: int, *, days: int, wins: int, losses: int
) -> None:
    for n in range(days):
        date = day_of(START + n * DAY_MS)
        insert(
            connection, "trader_performance", trader_id=trader, date=date, signals_count=0,
            trades_executed=0, win_count=0, loss_count=0, pnl=0, fees_usd=0,
        )  # fmt: skip
        insert(
            connection, "trader_risk", trader_id=trader, date=date, current_drawdown=-0.01,
            decided_trades=0, consecutive_losses=0, components="{}",
        )  # fmt: skip
    for n in range(wins + losses):
        given = {
            "id": n, "side": "buy", "leader_ms": START + n, "submit_ms": START + n + 1,
            "resolved_ms": START + n + 2, "outcome_usd": 2.0 if n < wins else -3.0,
            "leader_px": 100.0, "follower_px": 100.0, "follower_notional": 100.0,
        }  # fmt: skip
        signal_id = add_signal(connection, trader, f"C{n}", START + n)
        add_copy(connection, trader, signal_id, given)


def failing(record: Record, needs: Needs = NEEDS) -> list[str]:
    return [one.name for one in conditions(record, needs) if not one.passed]


def changed(**values: Any) -> Record:
    return replace(GOOD, **values)


def test_each_condition_stands_alone_and_edges_pass() -> None:
    assert failing(GOOD) == []
    assert failing(changed(days=13)) == ["days on paper"]
    assert failing(changed(decided_trades=19)) == ["decided copies"]
    assert failing(changed(mean_net_pnl_usd=Decimal(0))) == ["result"]
    assert failing(changed(mean_net_pnl_usd=None, win_rate_lower=None)) == ["result"]
    assert failing(changed(mean_net_pnl_usd=Decimal(-1), win_rate_lower=0.51)) == []
    assert failing(changed(mean_net_pnl_usd=Decimal(-1), win_rate_lower=0.5)) == ["result"]
    assert failing(changed(current_drawdown=-0.15)) == ["drawdown"]
    assert failing(changed(current_drawdown=None)) == ["drawdown"]
    assert failing(changed(open_alerts=1)) == ["open alerts"]
    free = Needs(promotion_days=1, promotion_trades=1, drawdown_limit=None)
    assert failing(changed(current_drawdown=-0.9), free) == []


def test_promotion_is_refused_with_all_that_is_missing(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START)
    with pytest.raises(NotPromotable) as refused:
        Promotions(connection).promote(trader, 1, by="me")
    assert [text.split(":")[0] for text in refused.value.failing] == [
        "days on paper",
        "decided copies",
        "result",
        "drawdown",
    ]
    assert Promotions(connection).decisions(trader) == []


def test_promoted_and_taken_back_with_the_evidence_kept(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START, drawdown_limit=-15)
    put_record(connection, trader, days=14, wins=15, losses=5)
    promotions = Promotions(connection)

    ready = promotions.promote(trader, 1, by="me")
    again = promotions.promote(trader, 2, by="somebody else")
    back = promotions.demote(trader, 2, by="me")

    assert (ready.state, ready.paper_trade_only, ready.version) == ("live_ready", False, 2)
    assert again == ready
    assert (back.state, back.paper_trade_only, back.version) == ("paper", True, 3)
    taken, given = promotions.decisions(trader)
    assert (given.passed, given.decided_by, given.as_of) == (True, "me", START + 14 * DAY_MS)
    assert given.evidence["record"]["decided_trades"] == 20
    assert Decimal(given.evidence["record"]["mean_net_pnl_usd"]) == Decimal("0.75")
    assert all(one["passed"] for one in given.evidence["conditions"])
    assert not taken.passed
    assert taken.decided_at > given.decided_at


def test_open_alert_stands_in_the_way(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START)
    put_record(connection, trader, days=14, wins=15, losses=5)
    insert(
        connection, "alerts", trader_id=trader, rule="win_rate_below", limit_value=1, value=0,
        as_of=START, fired_at=1, paused=False,
    )  # fmt: skip
    with pytest.raises(NotPromotable, match="open alerts: 1, needed none"):
        Promotions(connection).promote(trader, 1, by="me")


def test_who_is_not_there_of_another_version_or_archived(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START)
    promotions = Promotions(connection)
    with pytest.raises(NotFound):
        promotions.promote(trader + 1000, 1, by="me")
    with pytest.raises(StaleVersion):
        promotions.promote(trader, 7, by="me")
    change_trader(connection, trader, START, state="archived", active=False, archived_at=1)
    with pytest.raises(IsArchived):
        promotions.promote(trader, 2, by="me")


def test_intents_are_handed_out_in_order_and_taken_once(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START)
    ids = []
    for n in range(3):
        signal_id = add_signal(connection, trader, "BTC", START + n)
        row = insert(
            connection, "intents", signal_id=signal_id, trader_id=trader, body=Jsonb({"n": n}),
            created_at=1,
        )  # fmt: skip
        ids.append(row[0])
    intents = Intents(connection)

    first = intents.acknowledge(ids[0], by="robot")

    assert intents.acknowledge(ids[0], by="other") == first
    assert [one.intent_id for one in intents.after(limit=2)] == ids[:2]
    assert [one.intent_id for one in intents.after(ids[1])] == ids[2:]
    assert [one.intent_id for one in intents.after(unacknowledged=True)] == ids[1:]
    assert not intents.after()[0].withdrawn
    with pytest.raises(NotFound):
        intents.acknowledge(ids[2] + 1, by="robot")


def test_days_count_from_the_account(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START)
    put_record(connection, trader, days=3, wins=1, losses=0)
    evidence = Promotions(connection).evidence(trader)
    assert evidence.record.days == 3
    assert evidence.as_of == START + 3 * DAY_MS
    assert day_of(evidence.as_of) - timedelta(days=3) == day_of(START)
