"""What ledger updates move in the core clearing house: as recorded, and kind by kind."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.reference.shared_files import shared_file
from vigil_core.metrics.account_flows import core_flow_usd

ME, OTHER, VAULT = "0x" + "a" * 40, "0x" + "b" * 40, "0x" + "c" * 40

FLOWS: list[tuple[dict[str, Any], str | None]] = [
    ({"type": "deposit", "usdc": "99.902"}, "99.902"),
    ({"type": "withdraw", "usdc": "99", "nonce": 1, "fee": "1.0"}, "-100"),
    ({"type": "accountClassTransfer", "usdc": "12.5", "toPerp": True}, "12.5"),
    ({"type": "accountClassTransfer", "usdc": "12.5", "toPerp": False}, "-12.5"),
    (
        {"type": "internalTransfer", "usdc": "7", "user": ME, "destination": OTHER, "fee": "1"},
        "-8",
    ),
    (
        {
            "type": "internalTransfer",
            "usdc": "7",
            "user": OTHER,
            "destination": "0x" + "A" * 40,
            "fee": "1",
        },
        "7",
    ),
    ({"type": "subAccountTransfer", "usdc": "3", "user": OTHER, "destination": ME}, "3"),
    (
        {"type": "send", "sourceDex": "", "destinationDex": "xyz", "usdcValue": "5"},
        "-5",
    ),
    ({"type": "send", "sourceDex": "spot", "destinationDex": "", "usdcValue": "5"}, "5"),
    ({"type": "send", "sourceDex": "spot", "destinationDex": "xyz", "usdcValue": "5"}, "0"),
    (
        {
            "type": "send",
            "sourceDex": "",
            "destinationDex": "",
            "usdcValue": "5",
            "user": OTHER,
            "destination": ME,
        },
        "5",
    ),
    ({"type": "vaultDeposit", "vault": VAULT, "usdc": "9"}, "-9"),
    ({"type": "vaultDeposit", "vault": ME, "usdc": "9"}, "9"),
    ({"type": "vaultWithdraw", "vault": VAULT, "netWithdrawnUsd": "4"}, "4"),
    ({"type": "vaultWithdraw", "vault": ME, "netWithdrawnUsd": "4"}, None),
    ({"type": "vaultDistribution", "vault": ME, "usdc": "2"}, "-2"),
    ({"type": "spotTransfer", "token": "HYPE", "amount": "1", "usdcValue": "40"}, "0"),
    ({"type": "rewardsClaim", "amount": "3"}, None),
    ({"type": "somethingNew", "usdc": "3"}, None),
    ({"type": "deposit"}, None),
    ({"type": "deposit", "usdc": "NaN"}, None),
    ({"type": "deposit", "usdc": "much"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("delta", "wanted"), FLOWS)
def test_each_kind(delta: dict[str, Any], wanted: str | None) -> None:
    found = core_flow_usd(ME, delta)
    assert found == (None if wanted is None else Decimal(wanted))


def test_recorded_updates_are_told() -> None:
    for name in ("0xdae4", "sdk"):
        path = f"data/real/ledger_updates/userNonFundingLedgerUpdates_{name}.json"
        updates = json.loads(shared_file(path).read_text())
        flows = [core_flow_usd(ME, one["delta"]) for one in updates]
        assert None not in flows
        assert any(flows)
    # Out to spot twice, and a transfer that was in spot all the time.
    signs = [(flow > 0) - (flow < 0) for flow in flows if flow is not None]
    assert signs == [1, -1, 0, -1, 1]
