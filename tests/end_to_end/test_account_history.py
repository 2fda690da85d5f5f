"""Funding and transfers of single accounts, from the API into figures and reconciliation."""

import json
import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.sandbox.oracle import WorldFiles
from vigil_cli.backfill import backfill
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import InvalidSetting
from vigil_resources.health.reconciliation import ACCOUNTS
from vigil_resources.wiring import open_account_history, open_reconciliation
from vigil_sandbox.info_server import Answers, InfoServer
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

WORLD = replace(TINY, day_count=4)
FIRST = WORLD.first_day
DAYS = [FIRST + timedelta(days=n) for n in range(WORLD.day_count)]
LAST = DAYS[-1]
START, END = day_start_ms(FIRST), day_start_ms(LAST) + DAY_MS
NEEDED = " or ".join(
    f"key:{name}"
    for name in (
        *("raw_fills", "fills_parquet", "fills", "trader_daily", "coin_daily", "round_trips"),
        *("trader_profiles", "trader_metrics", "candles", "raw_perp_balances"),
        *("perp_balances_parquet", "oi_history", "account_history", "reconciliation"),
    )
)
TABLES = ("account_funding", "account_flows", "account_coverage", ACCOUNTS)


@dataclass(frozen=True)
class Watched:
    """A world, and the accounts that are asked for."""

    vigil: Installation
    server: InfoServer
    root: Path
    addresses: tuple[str, ...]

    @property
    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "truth.json").read_text())
        return found

    def digests(self) -> dict[str, Any]:
        return {name: self.vigil._digest(name, "t::text") for name in TABLES}


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    root = folder / "raw"
    write_world(WORLD, root)
    truth = json.loads((root / "truth.json").read_text())
    planted = [one["address"] for one in truth["planted"]]
    backstop = [a for a, role in truth["house"].items() if role == "backstop vault"]
    # Few: the exchange grants what about ten accounts cost, a minute.
    addresses = (*planted[::4][:5], truth["crowd"][0], *backstop)
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(root / "artemis" / "raw"))
    # In capitals, as a person may copy them.
    named = ",".join("0x" + a[2:].upper() for a in addresses)
    module_patch.setenv("VIGIL_ACCOUNTS", named)
    with InfoServer(Answers.of_world(root)) as server:
        module_patch.setenv("HYPERLIQUID_API_URL", server.url)
        with installed(folder, root, module_patch) as vigil:
            backfill(vigil.settings, FIRST, LAST, select=NEEDED)
            yield Watched(vigil, server, root, addresses)


def metrics(watched: Watched, window: str = "NULL") -> dict[str, dict[str, Any]]:
    rows = watched.vigil.records(f"SELECT * FROM trader_metrics_between({END}, {window})")
    return {row["user_address"]: row for row in rows}


def test_funding_of_each_account_is_the_truth(watched: Watched) -> None:
    found = metrics(watched)
    compared = 0
    for address in watched.addresses:
        if address not in found:
            continue
        truth = watched.truth["accounts"][address]["perps"]
        wanted = sum((Decimal(house["funding"]) for house in truth.values()), Decimal(0))
        assert found[address]["funding_usd"] == wanted, address
        compared += wanted != 0
    assert compared > 3


def test_net_realized_pnl_is_after_fees_and_funding(watched: Watched) -> None:
    reasons = set()
    for address, row in metrics(watched).items():
        if address in watched.addresses:
            wanted = row["net_pnl_ex_funding_usd"] + row["funding_usd"]
            assert row["net_realized_pnl_usd"] == wanted
            assert row["net_realized_pnl_usd_reason"] is None
        else:
            assert row["net_realized_pnl_usd"] is None
            reasons.add(row["net_realized_pnl_usd_reason"])
    assert reasons == {"insufficient_coverage", "unpriced_component"}


def test_equity_of_covered_accounts_reconciles(watched: Watched) -> None:
    rows = watched.vigil.records(f"SELECT * FROM {ACCOUNTS}")
    covered = [row for row in rows if row["user_address"] in watched.addresses]
    assert {row["status"] for row in covered} == {"reconciled"}
    assert all(abs(row["residual_usd"]) <= row["tolerance_usd"] for row in covered)
    assert any(row["funding_usd"] for row in covered)
    assert any(row["net_flows_usd"] for row in covered)
    others = [row for row in rows if row["user_address"] not in watched.addresses]
    assert {row["status"] for row in others} == {"incomplete"}
    [summary] = watched.vigil.records(
        "SELECT sum(checked) AS checked, sum(failed) AS failed FROM reconciliation "
        "WHERE invariant = 'equity_reconciles'"
    )
    assert summary == {"checked": len(covered), "failed": 0}


def test_asking_again_asks_nothing_and_changes_nothing(watched: Watched) -> None:
    before, asked = watched.digests(), watched.server.requests

    assert backfill(watched.vigil.settings, FIRST, LAST, select="key:account_history") == 0
    backfill(watched.vigil.settings, FIRST, LAST, select="key:account_history", force=True)

    assert watched.server.requests == asked
    assert watched.digests() == before


def test_a_stretch_that_is_asked_again_is_replaced(watched: Watched) -> None:
    before = watched.digests()
    address = next(a for a, row in metrics(watched).items() if row["funding_usd"])
    with watched.vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM account_coverage WHERE user_address = %s", [address])
        # As if the exchange had told otherwise at first.
        connection.execute(
            "UPDATE account_funding SET time = time + 1, until = until + 1, usdc = usdc * 2 "
            "WHERE user_address = %s",
            [address],
        )

    open_account_history(watched.vigil.settings).take_in(DAYS)

    assert watched.digests() == before


def test_a_window_that_is_covered_in_part_has_no_funding(watched: Watched) -> None:
    address = next(a for a, row in metrics(watched).items() if row["funding_usd"])
    change = "UPDATE account_coverage SET covered_from = %s WHERE user_address = %s"
    with watched.vigil.warehouse.connect() as connection:
        connection.execute(change, [START + DAY_MS, address])
    try:
        row = metrics(watched)[address]
        recent = metrics(watched, "3")[address]
        assert (row["funding_usd"], row["funding_usd_reason"]) == (None, "insufficient_coverage")
        assert row["net_realized_pnl_usd"] is None
        assert recent["window_start"] == START + DAY_MS
        assert recent["funding_usd"] is not None
    finally:
        with watched.vigil.warehouse.connect() as connection:
            connection.execute(change, [START, address])


# --- returns -------------------------------------------------------------------------------


def track(watched: Watched, address: str, window: str = "NULL") -> dict[str, Any]:
    [row] = watched.vigil.records(f"SELECT * FROM trader_track('{address}', {END}, {window})")
    return row


@contextmanager
def changed(watched: Watched, *statements: str) -> Iterator[None]:
    """As long as the block lasts; the tables of accounts are as before then."""
    names = ("account_flows", "account_coverage", "account_modes", "account_balances")
    with watched.vigil.warehouse.connect() as connection:
        for name in names:
            connection.execute(f"CREATE TABLE kept_{name} AS SELECT * FROM {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
    try:
        yield
    finally:
        with watched.vigil.warehouse.connect() as connection:
            for name in names:
                connection.execute(f"DELETE FROM {name}")
                connection.execute(f"INSERT INTO {name} SELECT * FROM kept_{name}")
                connection.execute(f"DROP TABLE kept_{name}")


def snapshots(watched: Watched, address: str) -> list[tuple[int, Fraction]]:
    """Moment and perp account value of each day's last record, read from the raw files."""
    by_day: dict[str, tuple[str, Fraction]] = {}
    for record in WorldFiles(watched.root).balances():
        if record["address"] == address:
            value = Fraction(record["response"]["perpetual"]["marginSummary"]["accountValue"])
            stamp = record["timestamp"]
            by_day[stamp[:10]] = max(by_day.get(stamp[:10], ("", value)), (stamp, value))
    moments = [(datetime.fromisoformat(t).replace(tzinfo=UTC), v) for t, v in by_day.values()]
    return sorted((int(t.timestamp() * 1000), v) for t, v in moments)


def dietz(watched: Watched, address: str, since: int) -> tuple[list[Fraction], Fraction]:
    """Returns from snapshot to snapshot and the money made, from the raw files alone.

    Of periods that end on a day from `since` on.
    """
    ledger = json.loads((watched.root / "api" / "ledger.json").read_text()).get(address, [])
    returns, made = [], Fraction(0)
    seen = snapshots(watched, address)
    for (start, before), (end, after) in zip(seen, seen[1:], strict=False):
        if end < since:
            continue
        flows = Fraction(0)
        capital = before
        for entry in ledger:
            sign = {"deposit": 1, "withdraw": -1}.get(entry["delta"]["type"], 0)
            if sign and start <= entry["time"] < end:
                amount = sign * Fraction(entry["delta"]["usdc"])
                flows += amount
                capital += amount * Fraction(end - entry["time"], end - start)
        returns.append((after - before - flows) / capital)
        made += after - before - flows
    return returns, made


def test_returns_on_equity_are_those_of_the_raw_files(watched: Watched) -> None:
    with_flows = 0
    for address in watched.addresses:
        if address not in metrics(watched):
            continue
        row = track(watched, address)
        returns, made = dietz(watched, address, row["window_start"])
        growth = Fraction(1)
        for one in returns:
            growth *= 1 + one
        assert row["capital_basis"] == "snapshot_and_flows", address
        assert row["n_days"] == row["n_obs"] == len(returns) >= 2
        assert row["roi"] == pytest.approx(float(growth - 1), rel=1e-9, abs=1e-12)
        assert row["pnl_usd"] == made.numerator / Decimal(made.denominator)
        deviation = statistics.stdev([float(one) for one in returns])
        assert row["volatility"] == pytest.approx(deviation * math.sqrt(365), rel=1e-9)
        moments = [at for at, _ in snapshots(watched, address)][-len(returns) - 1 :]
        assert (row["returns_from"], row["returns_until"]) == (moments[0], moments[-1])
        with_flows += bool(
            watched.vigil.records(
                f"SELECT FROM account_flows WHERE user_address = '{address}' AND usd <> 0 "
                f"AND time BETWEEN {row['returns_from']} AND {row['returns_until']}"
            )
        )
    assert with_flows > 0


def only_core(watched: Watched) -> str:
    """A trader who never left the core clearing house, and whose days are all marked."""
    rows = watched.vigil.records(
        "SELECT user_address FROM trader_coin_daily GROUP BY 1 HAVING NOT bool_or(coin LIKE '%:%')"
    )
    known = metrics(watched)
    return next(
        a
        for a in watched.addresses
        if a in {row["user_address"] for row in rows}
        and known[a]["funding_usd"]
        and known[a]["pnl_basis"] == "mark_to_market"
    )


def test_without_a_ledger_results_are_on_the_equity_of_each_day(watched: Watched) -> None:
    address = only_core(watched)
    forget = f"DELETE FROM account_coverage WHERE kind = 'ledger' AND user_address = '{address}'"
    with changed(watched, forget):
        row = track(watched, address)

    days = watched.vigil.records(
        f"SELECT day, mark_to_market_pnl FROM trader_totals WHERE user_address = '{address}'"
    )
    results = {one["day"]: Fraction(one["mark_to_market_pnl"]) for one in days}
    payments = json.loads((watched.root / "api" / "user_funding" / f"{address}.json").read_text())
    growth, made = Fraction(1), Fraction(0)
    for at, equity in snapshots(watched, address):
        day = at // DAY_MS * DAY_MS
        paid = [p for p in payments if day <= p["time"] < day + DAY_MS]
        result = results.get(day, Fraction(0)) + sum(Fraction(p["delta"]["usdc"]) for p in paid)
        made += result if day >= row["window_start"] else 0
        growth *= 1 + (result / equity if day >= row["window_start"] else 0)
    assert row["capital_basis"] == "snapshot_without_flows"
    assert row["roi"] == pytest.approx(float(growth - 1), rel=1e-9)
    assert row["includes_funding"]
    assert float(row["pnl_usd"]) == pytest.approx(float(made), rel=1e-12)


def test_the_basis_is_one_for_a_series_and_no_better_than_what_is_known(watched: Watched) -> None:
    address = only_core(watched)
    of = f"WHERE user_address = '{address}'"
    untold = (
        "INSERT INTO account_flows (user_address, time, hash, seq, kind, delta) "
        f"VALUES ('{address}', {END - DAY_MS}, '0x', 1, 'unheardOf', '{{}}')"
    )
    lost = (
        f"DELETE FROM account_balances WHERE address = '{address}' AND day = {START + 2 * DAY_MS}"
    )
    unified = (
        "INSERT INTO account_modes (user_address, observed_at, mode) "
        f"VALUES ('{address}', {END - 1}, 'unifiedAccount')"
    )
    wanted = {
        untold: "snapshot_without_flows",
        lost: "peak_exposure",
        unified: "peak_exposure",
        f"DELETE FROM account_modes {of}": "peak_exposure",
        f"DELETE FROM account_coverage {of}": "peak_exposure",
    }
    for statement, basis in wanted.items():
        with changed(watched, statement):
            row = track(watched, address)
            assert row["capital_basis"] == basis, statement
            assert row["roi"] is not None
            assert row["includes_funding"] == ("coverage" not in statement)
    assert track(watched, address)["capital_basis"] == "snapshot_and_flows"


def test_a_snapshot_after_the_window_changes_nothing_in_it(watched: Watched) -> None:
    address = only_core(watched)
    sooner = END - DAY_MS
    asked = f"SELECT * FROM trader_track('{address}', {sooner}, NULL)"
    before = watched.vigil.records(asked)
    later = f"UPDATE account_balances SET account_value = 7 WHERE day >= {sooner}"
    flow = f"UPDATE account_flows SET usd = 1e6 WHERE time >= {sooner}"
    with changed(watched, later, flow):
        assert watched.vigil.records(asked) == before
    assert before[0]["capital_basis"] == "snapshot_and_flows"


def test_equity_of_a_unified_account_is_not_known(watched: Watched) -> None:
    address = only_core(watched)
    unified = (
        "INSERT INTO account_modes (user_address, observed_at, mode) "
        f"VALUES ('{address}', {START}, 'unifiedAccount')"
    )
    default = f"DELETE FROM account_modes WHERE user_address = '{address}'"
    audit = open_reconciliation(watched.vigil.settings)
    asked = (
        f"SELECT status, missing FROM {ACCOUNTS} "
        f"WHERE user_address = '{address}' AND day = {END - DAY_MS}"
    )
    with changed(watched, default, unified):
        assert not audit.is_current(LAST)
        audit.build(LAST)
        [row] = watched.vigil.records(asked)
    audit.build(LAST)

    assert row == {"status": "incomplete", "missing": ["equity_start_usd", "equity_end_usd"]}
    assert watched.vigil.records(asked) == [{"status": "reconciled", "missing": []}]


def test_real_accounts_are_never_put_beside_simulated_fills(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYPERLIQUID_API_URL")
    settings = type(watched.vigil.settings).from_environment()

    with pytest.raises(InvalidSetting, match="HYPERLIQUID_API_URL"):
        backfill(settings, FIRST, LAST, select="key:account_history")
    with pytest.raises(InvalidSetting, match="HYPERLIQUID_API_URL"):
        open_account_history(settings)
