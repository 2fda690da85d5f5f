"""The worked cases of the filter, by way of the API: settings in, a signal in, the outcome out."""

from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.reference.shared_files import metric_vectors

CASES = [
    case
    for case in metric_vectors("copy_filter_backtest")
    if case.values[0]["id"].startswith("filter")
]


@pytest.mark.parametrize("case", CASES)
def test_worked_filter(api: Api, case: dict[str, Any]) -> None:
    number = [case.values[0]["id"] for case in CASES].index(case["id"])
    config, signal = case["inputs"]["config"], case["inputs"]["signal"]
    settings = {
        "state": "paper",
        "position_multiplier": config["position_multiplier"],
        "base_size_usd": str(case["params"]["base_size_usd"]),
        "min_confidence": config["min_confidence"],
        "max_leverage": config["max_leverage"],
        "token_whitelist": config["token_filter"],
        "token_blacklist": config["token_blacklist"],
    }
    trader = api.add(f"0x{0xF117 + number:040x}", **settings)
    if config["active"]:
        switched = api("POST", f"/api/traders/{trader['trader_id']}/toggle", {"active": True})
        assert switched.status == 200
    stated = {
        "trader": trader["trader_id"],
        "action": "open",
        "coin": signal["token"],
        "side": "buy",
        "leader_time": "2025-09-02T00:00:00.000Z",
        "leverage": signal["leverage"],
        "confidence": signal["confidence"],
    }
    found = api("POST", "/api/signals", stated, idempotency_key=case["id"])
    assert found.status == 201, found
    expected = case["expected"]
    # What is accepted waits for the tape, which says at which price; its size is decided then.
    outcome = "pending" if expected["accepted"] else expected["outcome"]
    assert (found.body["outcome"], Decimal(found.body["size_usd"])) == (outcome, 0)
