"""Signals, alerts and intents over HTTP."""

import json
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_traders import an_address
from tests.resources.desk import insert
from vigil_resources.wiring import open_backtests

SIGNAL = {
    "action": "open",
    "coin": "BTC",
    "side": "buy",
    "leader_time": "2026-01-02T03:04:05.678Z",
    "leader_px": "100000.5",
    "leverage": 2,
    "confidence": 0.9,
}


def followed(api: Api, active: bool = True, **settings: Any) -> Any:
    trader = api.add(an_address(), **settings)
    return api("POST", f"/api/traders/{trader['trader_id']}/toggle", {"active": active}).body


def test_a_signal_is_kept_once_and_waits_for_the_tape(api: Api) -> None:
    trader = followed(api)
    body = SIGNAL | {"trader": trader["trader_id"]}
    first = api("POST", "/api/signals", body, idempotency_key="signal-1")
    assert first.status == 201
    signal = first.body
    assert (signal["outcome"], signal["settings_version"]) == ("pending", None)
    assert signal["leader_time"] == SIGNAL["leader_time"]
    assert signal["leader_px"] == "100000.5"
    assert (signal["source"], signal["source_key"]) == ("api", "signal-1")
    again = api("POST", "/api/signals", body, idempotency_key="signal-1")
    assert again.content == first.content
    # The same key from somebody else is the same signal, stated twice.
    by_address = body | {"trader": trader["user_address"]}
    with api.vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM idempotency_keys WHERE key = 'signal-1'")
    twice = api("POST", "/api/signals", by_address, idempotency_key="signal-1")
    assert twice.body["signal_id"] == signal["signal_id"]
    listed = api.get(f"/api/traders/{trader['trader_id']}/signals").body["items"]
    assert listed == [signal]


@pytest.mark.parametrize(
    ("settings", "change", "outcome"),
    [
        ({}, {"confidence": None}, "confidence_missing"),
        ({}, {"confidence": 0.69}, "confidence_below_minimum"),
        ({"min_confidence": 0.9}, {}, "pending"),
        ({}, {"leverage": None}, "leverage_missing"),
        ({}, {"leverage": 5.01}, "leverage_above_maximum"),
        ({"token_blacklist": ["btc"]}, {}, "token_blacklisted"),
        ({"token_whitelist": ["ETH"]}, {}, "token_not_in_whitelist"),
        ({"active": False}, {}, "trader_inactive"),
        ({"active": False}, {"action": "close", "side": "sell"}, "pending"),
        ({}, {"action": "reduce", "side": "sell", "reduced_share": 0.5}, "pending"),
    ],
)
def test_the_outcome_is_told_at_once(
    api: Api, settings: dict[str, Any], change: dict[str, Any], outcome: str
) -> None:
    trader = followed(api, **settings)
    body = SIGNAL | change | {"trader": trader["trader_id"]}
    key = f"outcome-{trader['trader_id']}"
    answer = api("POST", "/api/signals", body, idempotency_key=key)
    assert (answer.status, answer.body["outcome"]) == (201, outcome)
    found = api.get(f"/api/traders/{trader['trader_id']}/signals", outcome=outcome).body["items"]
    assert [signal["signal_id"] for signal in found] == [answer.body["signal_id"]]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"leader_time": "2026-02-29T00:00:00Z"}, 422),
        ({"leader_time": "2026-01-02T03:04:05+01:00"}, 422),
        ({"leader_px": 100000.5}, 422),
        ({"leader_px": "0"}, 422),
        ({"confidence": 1.01}, 422),
        ({"confidence": "0.9"}, 422),
        ({"leverage": float("nan")}, 422),
        ({"more": 1}, 422),
        ({"trader": 10**14}, 404),
        ({"action": "reduce"}, 409),
    ],
)
def test_what_breaks_the_schema_is_not_kept(api: Api, change: dict[str, Any], status: int) -> None:
    trader = followed(api)
    body = SIGNAL | {"trader": trader["trader_id"]} | change
    key = f"refused-{trader['trader_id']}"
    answer = api("POST", "/api/signals", body, idempotency_key=key)
    assert answer.status == status
    if status == 422:
        # Where and why; not what was sent.
        assert all(error.keys() == {"loc", "msg"} for error in answer.body["errors"])
    assert api.get(f"/api/traders/{trader['trader_id']}/signals").body["items"] == []


def test_alerts_and_intents_are_acknowledged_once(api: Api) -> None:
    trader_id = followed(api)["trader_id"]
    body = SIGNAL | {"trader": trader_id}
    signal = api("POST", "/api/signals", body, idempotency_key=f"intent-{trader_id}").body
    with api.vigil.warehouse.connect() as connection:
        alert_row = insert(
            connection, "alerts", trader_id=trader_id, rule="win_rate_below", limit_value=0.5,
            value=0.25, as_of=1_767_312_000_000, fired_at=1, paused=False,
        )  # fmt: skip
        intent = insert(
            connection, "intents", signal_id=signal["signal_id"], trader_id=trader_id,
            body=json.dumps({"coin": "BTC"}), created_at=1,
        )  # fmt: skip
    for kind, number in (("alert", alert_row[0]), ("intent", intent[0])):
        path = f"/api/{kind}s"
        listed = api.get(path, open="true").body["items"]
        assert number in [item[f"{kind}_id"] for item in listed]
        done = api("POST", f"{path}/{number}/acknowledge")
        assert done.status == 200
        assert done.body["acknowledged_by"] == "local"
        assert api("POST", f"{path}/{number}/acknowledge").body == done.body
        assert api("POST", f"{path}/{10**17}/acknowledge").status == 404
    assert (
        api.get("/api/alerts", trader=trader_id).body["items"][0]["as_of"].startswith("2026-01-02")
    )
    assert api.get("/api/intents", open="true").body["items"] == []


def test_a_backtest_is_entered_once_and_polled(api: Api) -> None:
    trade = {
        "id": "t1", "token": "BTC", "side": "long", "confidence": 0.9, "leverage": 2,
        "entry_time": "2026-01-01T01:00:00Z", "entry_px": "100",
        "exit_time": "2026-01-02T01:00:00Z", "exit_px": "110",
    }  # fmt: skip
    body = {
        "trades": [trade], "start": "2026-01-01", "end": "2026-01-04",
        "slippage": {"model": "fixed", "bps": 5},
    }  # fmt: skip
    entered = api("POST", "/api/backtests", body, idempotency_key="backtest-1")
    assert (entered.status, entered.body["status"]) == (202, "queued")
    where = entered.headers["location"]
    again = api("POST", "/api/backtests", body, idempotency_key="backtest-2")
    assert again.headers["location"] == where
    open_backtests(api.vigil.settings).run_queued()
    done = api.get(where).body
    assert (done["status"], done["progress"]) == ("done", 1.0)
    assert done["result"]["trade_count"] == 1
    [listed] = api.get("/api/backtests").body["items"]
    assert listed["result"] is None
    assert listed["summary"]["trade_count"] == 1
    assert api.get("/api/backtests/999999").status == 404
    for change in ({"end": "2026-01-01"}, {"universe": {"label": "RETAIL"}}, {"trades": None}):
        wrong = api("POST", "/api/backtests", body | change, idempotency_key=f"x{len(str(change))}")
        assert (wrong.status, wrong.body["type"]) == (409, "/problems/contradiction")


def test_nobody_is_promoted_without_a_record(api: Api) -> None:
    trader = followed(api)
    where = f"/api/traders/{trader['trader_id']}"
    evidence = api.get(f"{where}/promotion").body
    assert (evidence["passed"], evidence["decisions"]) == (False, [])
    assert not all(condition["passed"] for condition in evidence["conditions"])
    refused = api("POST", f"{where}/promote")
    assert (refused.status, refused.body["type"]) == (409, "/problems/not-promotable")
    assert api("POST", f"{where}/promote", if_match='"1-1"').status == 412
    assert api.get(where).body == trader
