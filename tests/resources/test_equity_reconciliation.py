"""The identity of equity: the vectors, and an account that the exchange really kept."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.reference.shared_files import shared_file

VECTORS = "data/vectors/metrics/reconciliation.json"
REAL = "data/real"
ACCOUNT = "0xdae4"
COMPONENTS = (
    "equity_start_usd",
    "equity_end_usd",
    "gross_realized_pnl_usd",
    "fees_usd",
    "funding_usd",
    "unrealized_start_usd",
    "unrealized_end_usd",
    "net_flows_usd",
)
UNIFIED_FROM = 5
"""Of the recorded snapshots: from here on the account's collateral lies in spot."""

RESIDUALS = [Decimal("0.12")] * UNIFIED_FROM + [Decimal("0.2")] * 3
"""What is known to be left over in each snapshot, USD."""


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("equity")
    (folder / "raw").mkdir()
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


def reconcile(vigil: Installation, components: dict[str, Any]) -> dict[str, Any]:
    """What SQL says of an account between two moments."""
    values = ", ".join(_literal(components[name]) for name in COMPONENTS)
    [row] = vigil.records(f"SELECT * FROM equity_reconciliation({values})")
    return row


def _literal(value: Decimal | str | None) -> str:
    return "NULL" if value is None else f"{Decimal(value):f}::numeric"


def test_the_vectors(vigil: Installation) -> None:
    for case in json.loads(shared_file(VECTORS).read_text())["cases"]:
        found = reconcile(vigil, case["inputs"])

        expected = dict(case["expected"])
        assert found["status"] == expected.pop("status"), case["id"]
        assert found["missing"] == expected.pop("missing", []), case["id"]
        for name, value in expected.items():
            wanted = None if value is None else Decimal(value)
            assert found[name] == wanted, (case["id"], name)
        reason = case.get("null_reasons", {}).get("residual_usd")
        assert found["reason"] == reason, case["id"]


@pytest.mark.parametrize("unknown", COMPONENTS)
def test_no_component_is_taken_for_zero(vigil: Installation, unknown: str) -> None:
    found = reconcile(vigil, dict.fromkeys(COMPONENTS, Decimal(0)) | {unknown: None})

    assert (found["status"], found["residual_usd"]) == ("incomplete", None)
    assert found["missing"] == [unknown]


# --- the recorded account ------------------------------------------------------------------


def recorded(name: str) -> Any:
    return json.loads(shared_file(f"{REAL}/{name}").read_text())


@pytest.fixture(scope="module")
def snapshots() -> list[dict[str, Any]]:
    """Equity, unrealized PnL, and all that came before, at each recorded snapshot; exact."""
    perp = recorded(f"clearinghouse_state/clearinghouseState_{ACCOUNT}_snapshots_part1.json")
    spot = recorded(f"clearinghouse_state/spotClearinghouseState_{ACCOUNT}_snapshots_part1.json")
    fills = recorded(f"user_fills/userFillsByTime_{ACCOUNT}_part1.json")
    funding = recorded(f"funding/userFunding_{ACCOUNT}_part1.json")
    ledger = recorded(f"ledger_updates/userNonFundingLedgerUpdates_{ACCOUNT}.json")
    assert {fill["feeToken"] for fill in fills} == {"USDC"}
    assert {one["delta"]["type"] for one in ledger} == {"deposit"}
    found = []
    for held, tokens in zip(perp["snapshots"], spot["snapshots"], strict=True):
        state = held["response"]
        before = [one for one in fills if one["time"] < state["time"]]
        [usdc] = [t for t in tokens["response"]["balances"] if t["coin"] == "USDC"]
        positions = [one["position"] for one in state["assetPositions"]]
        found.append(
            {
                "perp_equity": Decimal(state["marginSummary"]["accountValue"]),
                "spot_usdc": Decimal(usdc["total"]),
                "unrealized": _sum(one["unrealizedPnl"] for one in positions),
                "gross": _sum(one["closedPnl"] for one in before),
                "fees": _sum(one["fee"] for one in before),
                "funding": _sum(
                    one["delta"]["usdc"] for one in funding if one["time"] < state["time"]
                ),
                "flows": _sum(
                    one["delta"]["usdc"] for one in ledger if one["time"] < state["time"]
                ),
            }
        )
    return found


def _sum(texts: Iterator[str]) -> Decimal:
    return sum(map(Decimal, texts), Decimal(0))


def equity(snapshot: dict[str, Any], number: int) -> Decimal:
    """Of a unified account the USDC in spot, which holds the unrealized PnL already."""
    return Decimal(snapshot["spot_usdc" if number >= UNIFIED_FROM else "perp_equity"])


def since_the_beginning(snapshot: dict[str, Any], equity_end: Decimal) -> dict[str, Any]:
    """The components from before the first deposit until a snapshot."""
    return {
        "equity_start_usd": Decimal(0),
        "equity_end_usd": equity_end,
        "gross_realized_pnl_usd": snapshot["gross"],
        "fees_usd": snapshot["fees"],
        "funding_usd": snapshot["funding"],
        "unrealized_start_usd": Decimal(0),
        "unrealized_end_usd": snapshot["unrealized"],
        "net_flows_usd": snapshot["flows"],
    }


def test_the_recorded_account_reconciles_over_its_life(
    vigil: Installation, snapshots: list[dict[str, Any]]
) -> None:
    for number, snapshot in enumerate(snapshots):
        found = reconcile(vigil, since_the_beginning(snapshot, equity(snapshot, number)))

        assert found["status"] == "reconciled"
        assert abs(found["residual_usd"]) <= RESIDUALS[number]
    assert len(snapshots) == len(RESIDUALS)


def test_the_recorded_account_reconciles_from_snapshot_to_snapshot(
    vigil: Installation, snapshots: list[dict[str, Any]]
) -> None:
    for number in range(1, len(snapshots)):
        before, after = snapshots[number - 1], snapshots[number]
        between = {
            name: after[key] - before[key]
            for name, key in {
                "gross_realized_pnl_usd": "gross",
                "fees_usd": "fees",
                "funding_usd": "funding",
                "net_flows_usd": "flows",
            }.items()
        }
        ends = {
            "equity_start_usd": equity(before, number - 1),
            "equity_end_usd": equity(after, number),
            "unrealized_start_usd": before["unrealized"],
            "unrealized_end_usd": after["unrealized"],
        }

        assert reconcile(vigil, between | ends)["status"] == "reconciled", number


def test_of_a_unified_account_perp_value_alone_is_no_equity(
    vigil: Installation, snapshots: list[dict[str, Any]]
) -> None:
    unified = snapshots[UNIFIED_FROM]

    found = reconcile(vigil, since_the_beginning(unified, unified["perp_equity"]))

    assert found["status"] == "unreconciled"
    assert found["residual_usd"] < -59_000


def test_a_fill_left_out_is_seen_in_the_residual(
    vigil: Installation, snapshots: list[dict[str, Any]]
) -> None:
    last_perp = snapshots[UNIFIED_FROM - 1]
    lost = last_perp | {"gross": last_perp["gross"] - 100}

    found = reconcile(vigil, since_the_beginning(lost, last_perp["perp_equity"]))

    assert found["status"] == "unreconciled"
