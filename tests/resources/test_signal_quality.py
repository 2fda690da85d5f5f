"""The worked signals of the metrics, put into the desk's tables and read through its functions."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.conftest import Installation, installed
from tests.reference.shared_files import metric_vectors
from tests.resources.desk import add_trader, insert
from tests.resources.test_metric_functions import assert_close
from vigil_core.calendar import DAY_MS
from vigil_core.desk.copying import Terms

CASES = [case for case in metric_vectors("signals") if "signals" in case.values[0]["inputs"]]
START = 1_757_289_600_000
FEE = Decimal("0.00045")
REASONS = {
    "signal_lag_mean_s": "signal_lag_reason",
    "signal_lag_median_s": "signal_lag_reason",
    "signal_lag_p95_s": "signal_lag_reason",
    "execution_slippage_worst": "execution_slippage_reason",
}


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("signals")
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


@pytest.fixture
def connection(vigil: Installation) -> Iterator[psycopg.Connection]:
    """Whose rows end with the test."""
    with vigil.warehouse.connect() as connection:
        yield connection
        connection.rollback()


def test_simulated_outcomes_pay_the_fees_of_copies() -> None:
    assert Terms().fee_bps.scaleb(-4) == FEE


def decimal(value: float) -> Decimal:
    return Decimal(str(value))


def put(connection: psycopg.Connection, trader: int, given: dict[str, Any]) -> int:
    """A signal of a vector, copied or not; each has a coin of its own."""
    coin = f"C{given['id']}"
    signal_id = add_signal(
        connection, trader, coin, given["leader_ms"],
        side=given["side"], px=decimal(given["leader_px"]), confidence=given["confidence"],
        outcome="paper" if given["submit_ms"] else "leverage_missing",
    )  # fmt: skip
    if given["submit_ms"]:
        add_copy(connection, trader, signal_id, given)
    elif given["outcome_usd"] is not None:
        leave_at_result(connection, trader, coin, given)
    return signal_id


def add_signal(
    connection: psycopg.Connection,
    trader: int,
    coin: str,
    at: int,
    *,
    side: str = "buy",
    px: Decimal = Decimal(100),
    action: str = "open",
    outcome: str = "paper",
    confidence: float | None = None,
    share: float | None = None,
    steps: list[tuple[int, str, str]] | None = None,
) -> int:
    evidence = {"steps": [dict(zip(("time", "px", "share"), s, strict=True)) for s in steps or []]}
    row = insert(
        connection, "signals", trader_id=trader, source="fills", source_key=f"{action} {coin} {at}",
        action=action, coin=coin, side=side, leader_time=at, leader_px=px, reduced_share=share,
        confidence=confidence, received_at=at, outcome=outcome,
        evidence=Jsonb(evidence if steps else {}),
    )  # fmt: skip
    return int(row[0])


def add_copy(
    connection: psycopg.Connection, trader: int, signal_id: int, given: dict[str, Any]
) -> None:
    result = given["outcome_usd"]
    quantity = decimal(given["follower_notional"]) / decimal(given["follower_px"])
    money = {} if result is None else {"gross_at_leader_usd": decimal(result), "funding_usd": 0}
    insert(
        connection, "copies", signal_id=signal_id, trader_id=trader, mode="paper",
        coin=f"C{given['id']}", side="long" if given["side"] == "buy" else "short",
        quantity=quantity, open_quantity=quantity if result is None else 0,
        leader_entry_at=given["leader_ms"], submitted_at=given["submit_ms"],
        opened_at=given["submit_ms"], leader_entry_px=decimal(given["leader_px"]),
        entry_px=decimal(given["follower_px"]),
        closed_at=None if result is None else given["resolved_ms"],
        net_pnl_usd=None if result is None else decimal(result), **money,
    )  # fmt: skip


def leave_at_result(
    connection: psycopg.Connection, trader: int, coin: str, given: dict[str, Any]
) -> None:
    """The leader's close, at the price that makes a simulated trade of 1 USD come out as given.

    A net return of r = side x (x - 1) - fee x (1 + x) with x = exit / entry.
    """
    side = 1 if given["side"] == "buy" else -1
    ratio = decimal(given["outcome_usd"]) / 400
    x = (ratio + side + FEE) / (side - FEE)
    add_signal(
        connection, trader, coin, given["resolved_ms"], action="close", share=1.0,
        side="sell" if side == 1 else "buy", px=decimal(given["leader_px"]) * x, outcome="followed",
    )  # fmt: skip


def metrics(
    connection: psycopg.Connection, trader: int, until: int, start: int = START
) -> dict[str, Any]:
    cursor = connection.cursor(row_factory=dict_row)
    row = cursor.execute(
        "SELECT * FROM signal_metrics(%s, %s, %s)", [trader, start, until]
    ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("case", CASES)
def test_worked_signals_come_out_of_the_tables(
    case: dict[str, Any], connection: psycopg.Connection
) -> None:
    trader = add_trader(connection, START)
    for given in case["inputs"]["signals"]:
        put(connection, trader, given)
    until = START + case["inputs"]["window_days"] * DAY_MS

    row = metrics(connection, trader, until)

    for name, expected in case["expected"].items():
        assert_close(row[name], expected, name)
    for name, reason in case.get("null_reasons", {}).items():
        assert row[REASONS.get(name, f"{name}_reason")] == reason, name
    bins = connection.execute(
        "SELECT bin, n, reason, publishable FROM signal_calibration(%s, %s, %s)",
        [trader, START, until],
    ).fetchall()
    assert {name: n for name, n, _, _ in bins} == {
        name: found["n"] for name, found in case["expected"]["confidence_calibration"].items()
    }
    assert all((reason == "no_data") == (n == 0) and not shown for _, n, reason, shown in bins)


def test_nothing_after_the_window_is_known_in_it(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START)
    given = {
        "id": 1, "side": "buy", "confidence": 0.9, "leader_ms": START, "submit_ms": START + 1000,
        "resolved_ms": START + DAY_MS, "outcome_usd": 5.0, "leader_px": 100.0,
        "follower_px": 100.0, "follower_notional": 100.0,
    }  # fmt: skip
    put(connection, trader, given)

    before = metrics(connection, trader, START + DAY_MS)
    after = metrics(connection, trader, START + DAY_MS + 1)

    assert (before["resolved"], before["decided"], before["closed_copies"]) == (0, 0, 0)
    assert (after["resolved"], after["decided"], after["closed_copies"]) == (1, 1, 1)
    assert before["signal_accuracy_reason"] == "no_data"
    assert after["pnl_contribution_usd"] == 5
    assert after["pnl_contribution"] == pytest.approx(5 / 10_000)
    assert before["pnl_contribution_usd"] == 0


def test_what_was_not_copied_is_simulated_as_the_leader_left_it(
    connection: psycopg.Connection,
) -> None:
    """Half at 110, half of the rest at 120, the rest at 100: 110 on average."""
    trader = add_trader(connection, START)
    add_signal(connection, trader, "BTC", START, outcome="confidence_missing")
    steps = [(START + 1000, "110", "0.5"), (START + 2000, "120", "0.5")]
    add_signal(
        connection, trader, "BTC", START + 1000, action="reduce", side="sell", share=0.75,
        px=Decimal(110), steps=steps, outcome="nothing_open",
    )  # fmt: skip
    open_still = metrics(connection, trader, START + DAY_MS)
    add_signal(
        connection, trader, "BTC", START + 3000, action="close", side="sell", share=1.0,
        outcome="nothing_open",
    )  # fmt: skip
    add_signal(connection, trader, "BTC", START + 4000, outcome="confidence_missing")

    [found, later] = connection.execute(
        "SELECT basis, resolved_at, net_pnl_usd, leader_pnl_usd"
        " FROM signal_outcomes(%s, %s, %s) ORDER BY leader_time",
        [trader, START, START + DAY_MS],
    ).fetchall()

    assert open_still["resolved"] == 0
    assert found[:2] == ("simulated", START + 3000)
    assert float(found[3]) == pytest.approx(0.10)
    assert float(found[2]) == pytest.approx(0.10 - 0.00045 * (1 + 1.10))
    assert later == ("simulated", None, None, None)


def test_the_filter_is_judged_by_what_it_refused(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START)
    results = [(True, 5.0), (True, -5.0), (False, 5.0), (False, -5.0), (False, -6.0)]
    for number, (copied, result) in enumerate(results):
        at = START + number * 1000
        given = {
            "id": number, "side": "buy", "confidence": 0.9, "leader_ms": at, "leader_px": 100.0,
            "submit_ms": at + 1000 if copied else None, "resolved_ms": at + 60_000,
            "outcome_usd": result, "follower_px": 100.0, "follower_notional": 100.0,
        }  # fmt: skip
        put(connection, trader, given)

    row = metrics(connection, trader, START + DAY_MS)

    assert row["filter_false_positive_rate"] == pytest.approx(1 / 3)
    assert row["filter_recall"] == pytest.approx(1 / 2)
    assert row["copy_rate"] == pytest.approx(2 / 5)
    assert not row["publishable"]


def test_trader_without_address_or_signals_has_reasons(connection: psycopg.Connection) -> None:
    trader = add_trader(connection, START, user_address=None, source="telegram")
    row = metrics(connection, trader, START)
    assert row["signal_frequency_reason"] == "zero_denominator"
    assert row["copy_shortfall_reason"] == "no_data"
    assert row["copy_rate_reason"] == "no_data"
