"""Alerts on paper accounts: the worked cases, crossings, recoveries, pauses, and two at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from tests.conftest import Installation, installed
from tests.reference.shared_files import metric_vectors
from tests.resources.desk import add_trader, change_trader, insert
from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.desk.alerts import AccountRisk, AlertLimits, readings
from vigil_resources.desk.alerts import Alerts

CASES = [case for case in metric_vectors("signals") if "metrics" in case.values[0]["inputs"]]
START = 1_757_289_600_000
FIRST = day_of(START)


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("alerts")
    with installed(folder, folder / "raw", module_patch) as vigil:
        yield vigil


@pytest.fixture
def vigil(installation: Installation) -> Installation:
    """With an empty desk."""
    with installation.warehouse.connect() as connection:
        connection.execute("TRUNCATE traders, desk_state, deliveries RESTART IDENTITY CASCADE")
    return installation


def put_risk(vigil: Installation, trader: int, day: date, **values: Any) -> None:
    figures = {"decided_trades": 0, "consecutive_losses": 0, "components": "{}"} | values
    with vigil.warehouse.connect() as connection:
        connection.execute(
            "DELETE FROM trader_risk WHERE trader_id = %s AND date = %s", [trader, day]
        )
        insert(connection, "trader_risk", trader_id=trader, date=day, **figures)


def follow(vigil: Installation, **values: Any) -> int:
    with vigil.warehouse.connect() as connection:
        return add_trader(connection, START, **values)


@pytest.mark.parametrize("case", CASES)
def test_worked_alerts_fire_from_the_tables(case: dict[str, Any], vigil: Installation) -> None:
    given, limits = case["inputs"]["metrics"], case["inputs"]["conditions"]
    trader = follow(
        vigil,
        drawdown_limit=limits["drawdown_exceeded"],
        win_rate_limit=limits["win_rate_below"],
        consecutive_losses_limit=limits["consecutive_losses"],
        win_rate_min_trades=limits["min_trades"],
        pause_automatically=case["inputs"]["pause_automatically"],
    )
    put_risk(vigil, trader, FIRST, **given)

    fired = Alerts(vigil.warehouse).evaluate()

    assert [one.rule for one in fired] == case["expected"]["fired"]
    stored = vigil.records("SELECT rule, paused FROM alerts ORDER BY alert_id")
    assert [row["rule"] for row in stored] == case["expected"]["fired"]
    assert all(row["paused"] == case["expected"]["pause"] for row in stored)
    [row] = vigil.records("SELECT active, updated_by FROM traders")
    assert row["active"] == (not case["expected"]["pause"])
    assert (row["updated_by"] == "alert") == case["expected"]["pause"]


@pytest.mark.parametrize("case", CASES)
def test_worked_alerts_follow_from_the_rule(case: dict[str, Any]) -> None:
    limits = case["inputs"]["conditions"]
    said = readings(
        AccountRisk(**case["inputs"]["metrics"]),
        AlertLimits(
            drawdown_limit=limits["drawdown_exceeded"],
            win_rate_limit=limits["win_rate_below"],
            win_rate_min_trades=limits["min_trades"],
            consecutive_losses_limit=limits["consecutive_losses"],
        ),
    )
    assert [one.rule for one in said if one.is_crossed] == case["expected"]["fired"]


def test_alert_fires_once_per_crossing_and_again_after_recovery(vigil: Installation) -> None:
    trader = follow(vigil, consecutive_losses_limit=3)
    alerts = Alerts(vigil.warehouse, ["webhook", "email"])
    losses = [2, 3, 4, 1, 0, 3]
    fired = []
    for number, run in enumerate(losses):
        put_risk(vigil, trader, FIRST + timedelta(days=number), consecutive_losses=run)
        fired.append([len(alerts.evaluate()), len(alerts.evaluate())])

    assert fired == [[0, 0], [1, 0], [0, 0], [0, 0], [0, 0], [1, 0]]
    rows = vigil.records("SELECT as_of, recovered_at, value FROM alerts ORDER BY alert_id")
    ends = [START + (n + 1) * DAY_MS for n in range(len(losses))]
    assert [(r["as_of"], r["recovered_at"], r["value"]) for r in rows] == [
        (ends[1], ends[3], 3),
        (ends[5], None, 3),
    ]
    sent = vigil.records("SELECT subject_id, channel FROM deliveries ORDER BY 1, 2")
    assert [(row["subject_id"], row["channel"]) for row in sent] == [
        (1, "email"), (1, "webhook"), (2, "email"), (2, "webhook"),
    ]  # fmt: skip


def test_what_is_not_known_neither_fires_nor_recovers(vigil: Installation) -> None:
    trader = follow(vigil, drawdown_limit=-10, win_rate_limit=0.5)
    alerts = Alerts(vigil.warehouse)
    figures = [(-0.2, 0.4, 10), (None, None, 0), (-0.2, 0.9, 9), (-0.05, 0.5, 10)]
    counts = []
    for number, (drawdown, rate, decided) in enumerate(figures):
        put_risk(
            vigil, trader, FIRST + timedelta(days=number),
            current_drawdown=drawdown, win_rate=rate, decided_trades=decided,
        )  # fmt: skip
        alerts.evaluate()
        [row] = vigil.records("SELECT count(*) AS n FROM alerts WHERE recovered_at IS NULL")
        counts.append(row["n"])
    assert counts == [2, 2, 2, 0]


def test_limit_that_is_taken_away_ends_its_alert(vigil: Installation) -> None:
    trader = follow(vigil, consecutive_losses_limit=1)
    put_risk(vigil, trader, FIRST, consecutive_losses=5)
    alerts = Alerts(vigil.warehouse)
    alerts.evaluate()
    with vigil.warehouse.connect() as connection:
        change_trader(connection, trader, START + DAY_MS, consecutive_losses_limit=None)

    assert alerts.evaluate() == []
    [row] = vigil.records("SELECT recovered_at FROM alerts")
    assert row["recovered_at"] == START + DAY_MS


def test_pause_holds_from_the_days_end_and_never_before_a_later_decision(
    vigil: Installation,
) -> None:
    first = follow(vigil, consecutive_losses_limit=1, pause_automatically=True)
    second = follow(
        vigil, number=2, variant=2, consecutive_losses_limit=1, pause_automatically=True
    )
    with vigil.warehouse.connect() as connection:
        change_trader(connection, second, START + 3 * DAY_MS, note="decided later")
    for trader in (first, second):
        put_risk(vigil, trader, FIRST, consecutive_losses=1)

    fired = Alerts(vigil.warehouse).evaluate()

    assert [one.paused for one in fired] == [True, True]
    rows = vigil.records(
        "SELECT trader_id, version, effective_at, (settings ->> 'active')::boolean AS active"
        " FROM trader_settings_history WHERE changed_by = 'alert' ORDER BY trader_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        (first, 2, START + DAY_MS, False),
        (second, 3, START + 3 * DAY_MS, False),
    ]


def test_past_that_was_restated_fires_nothing(vigil: Installation) -> None:
    trader = follow(vigil, consecutive_losses_limit=3)
    alerts = Alerts(vigil.warehouse)
    put_risk(vigil, trader, FIRST + timedelta(days=1), consecutive_losses=0)
    alerts.evaluate()
    put_risk(vigil, trader, FIRST, consecutive_losses=9)
    with vigil.warehouse.connect() as connection, connection.transaction():
        assert alerts.evaluate_day(connection, FIRST) == []
    assert vigil.records("SELECT * FROM alerts") == []


def test_archived_traders_are_left_alone(vigil: Installation) -> None:
    trader = follow(vigil, consecutive_losses_limit=1)
    put_risk(vigil, trader, FIRST, consecutive_losses=5)
    with vigil.warehouse.connect() as connection:
        change_trader(connection, trader, START, state="archived", active=False, archived_at=1)
    assert Alerts(vigil.warehouse).evaluate() == []


def test_alert_pause_and_messages_are_all_there_or_none(vigil: Installation) -> None:
    """The connection dies after everything was written, and before it was committed."""
    trader = follow(vigil, consecutive_losses_limit=1, pause_automatically=True)
    put_risk(vigil, trader, FIRST, consecutive_losses=5)
    alerts = Alerts(vigil.warehouse, ["webhook"])
    with vigil.warehouse.connect() as connection:
        assert len(alerts.evaluate_day(connection, FIRST)) == 1
        with vigil.warehouse.connect(autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    found = "SELECT (SELECT count(*) FROM alerts) AS alerts, (SELECT count(*) FROM deliveries)"
    found += " AS messages, (SELECT active FROM traders) AS active"
    assert vigil.records(found) == [{"alerts": 0, "messages": 0, "active": True}]

    alerts.evaluate()

    assert vigil.records(found) == [{"alerts": 1, "messages": 1, "active": False}]


def test_evaluated_by_many_at_once_it_fires_once(vigil: Installation) -> None:
    trader = follow(vigil, consecutive_losses_limit=1, pause_automatically=True)
    put_risk(vigil, trader, FIRST, consecutive_losses=5)
    alerts = Alerts(vigil.warehouse, ["webhook"])
    with ThreadPoolExecutor(8) as pool:
        fired = list(pool.map(lambda _: alerts.evaluate(), range(16)))
    assert sum(map(len, fired)) == 1
    [row] = vigil.records("SELECT version, active FROM traders")
    assert (row["version"], row["active"]) == (2, False)
    [message] = vigil.records("SELECT payload FROM deliveries")
    assert message["payload"]["as_of"] == day_start_ms(FIRST) + DAY_MS
    assert message["payload"]["rule"] == "consecutive_losses"
