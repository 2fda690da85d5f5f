"""The worked examples of returns, put into the tables and read from `trader_track`."""

import itertools
import json
import math
import random
import statistics
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.reference.shared_files import metric_vectors
from vigil_core.calendar import DAY_MS, day_start_ms

FIRST = day_start_ms(date(2025, 9, 1))
ROI = {case.values[0]["id"]: case.values[0] for case in metric_vectors("roi_capital_base")}  # type: ignore[index]
RATIOS = {case.values[0]["id"]: case.values[0] for case in metric_vectors("returns_ratios")}  # type: ignore[index]
WITH_FLOWS = [name for name, case in ROI.items() if "days" in case["inputs"]]
NUMBERS = itertools.count(0xF10A)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    if not ROI:
        pytest.skip("no shared folder beside the repository")
    folder = tmp_path_factory.mktemp("track")
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


class Account:
    """One whose rows are written by hand; days count from `FIRST`, 0."""

    def __init__(self, vigil: Installation, days: int) -> None:
        self.vigil = vigil
        self.days = days
        self.address = f"0x{next(NUMBERS):040x}"
        with vigil.warehouse.connect() as connection:
            connection.execute("DELETE FROM metric_state")
            connection.execute("INSERT INTO known_traders VALUES (%s)", [self.address])
            for day in range(days):
                connection.execute(
                    "INSERT INTO metric_state (day, built_from, row_count, complete, loaded_days, "
                    "complete_days) VALUES (%s, '', 0, true, %s, %s)",
                    [FIRST + day * DAY_MS, day + 1, day + 1],
                )

    def write(self, statement: str, *values: Any) -> None:
        with self.vigil.warehouse.connect() as connection:
            connection.execute(statement, values)  # type: ignore[arg-type]

    def made(self, by_day: Mapping[int, float], peak: float = 0) -> None:
        """Results of days, marked; every other sum is 0."""
        columns = self.vigil.records(
            "SELECT column_name AS name FROM information_schema.columns "
            "WHERE table_name = 'trader_totals' AND is_nullable = 'NO'"
        )
        for day, amount in by_day.items():
            row = {column["name"]: 0 for column in columns} | {
                "user_address": self.address,
                "day": FIRST + day * DAY_MS,
                "first_day": FIRST,
                "mark_to_market_pnl": str(Decimal(str(amount))),
                "peak_exposure_usd": peak,
            }
            self.write(
                "INSERT INTO trader_totals "
                "SELECT * FROM jsonb_populate_record(NULL::trader_totals, %s)",
                json.dumps(row),
            )

    def holds(self, day: int, equity: str, at: int) -> None:
        """What the balances of a day say; `at` ms after its start."""
        start = FIRST + day * DAY_MS
        self.write(
            "INSERT INTO account_balances (day, address, recorded_at, account_value) "
            "VALUES (%s, %s, %s, %s)",
            *(start, self.address, start + at, Decimal(equity)),
        )

    def moves(self, time: int, usd: str) -> None:
        self.write(
            "INSERT INTO account_flows (user_address, time, hash, seq, kind, usd, delta) "
            "VALUES (%s, %s, '0x', 1, 'deposit', %s, '{}')",
            *(self.address, time, Decimal(usd)),
        )

    def is_asked(self, *kinds: str) -> None:
        self.write(
            "INSERT INTO account_modes (user_address, observed_at, mode) VALUES (%s, %s, %s)",
            *(self.address, FIRST, "default"),
        )
        for kind in kinds:
            self.write(
                "INSERT INTO account_coverage VALUES (%s, %s, %s, %s)",
                *(self.address, kind, FIRST - DAY_MS, FIRST + self.days * DAY_MS),
            )

    def track(self, window: int | None = None) -> dict[str, Any]:
        [row] = self.vigil.records(
            f"SELECT * FROM trader_track('{self.address}', {FIRST + self.days * DAY_MS}, "
            f"{window or 'NULL'})"
        )
        return row


LAST_MS = DAY_MS - 1
"""Of a day: as near to both midnights as snapshots of different days can be."""


@pytest.mark.parametrize("name", WITH_FLOWS)
def test_returns_on_equity_are_the_vector_s(vigil: Installation, name: str) -> None:
    case = ROI[name]
    days = case["inputs"]["days"]
    account = Account(vigil, len(days))
    account.made({0: 0.0, len(days) - 1: 0.0})
    account.is_asked("funding", "ledger")
    account.holds(-1, days[0]["equity_start_usd"], LAST_MS)
    for number, day in enumerate(days):
        account.holds(number, day["equity_end_usd"], LAST_MS)
        for flow in day["flows"]:
            elapsed = int(Decimal(flow["day_fraction"]) * DAY_MS)
            account.moves(FIRST + number * DAY_MS - 1 + elapsed, flow["amount_usd"])

    row = account.track()

    expected = case["expected"]
    assert row["capital_basis"] == expected["capital_basis"]
    assert row["pnl_usd"] == Decimal(expected["pnl_usd"])
    assert row["n_days"] == len(days)
    if expected["roi"] is None:
        assert (row["roi"], row["roi_reason"]) == (None, case["null_reasons"]["roi"])
        assert row["ruin_count"] == 1
        assert row["n_obs"] == sum(day["r"] is not None for day in expected["daily"])
    else:
        assert row["roi"] == pytest.approx(expected["roi"], rel=1e-9)


def test_results_on_the_equity_of_each_day_are_the_vector_s(vigil: Installation) -> None:
    case = ROI["snapshot_without_flows"]
    made = case["inputs"]["pnl_by_day_usd"]
    account = Account(vigil, len(made))
    account.made(dict(enumerate(made)))
    account.is_asked("funding")
    for number, equity in enumerate(case["inputs"]["equity_at_day_start_usd"]):
        account.holds(number, str(equity), 0)

    row = account.track()

    assert row["capital_basis"] == case["expected"]["capital_basis"]
    assert row["roi"] == pytest.approx(case["expected"]["roi"], rel=1e-9)


@pytest.mark.parametrize("name", ["fills_only_peak_exposure", "no_capital_base"])
def test_returns_on_fills_alone_are_the_vector_s(vigil: Installation, name: str) -> None:
    case = ROI[name]
    made = case["inputs"]["pnl_by_day_usd"]
    account = Account(vigil, len(made))
    account.made(dict(enumerate(made)), case["inputs"]["peak_gross_exposure_usd"])

    row = account.track()

    expected = case["expected"]
    assert row["capital_basis"] == expected["capital_basis"]
    assert not row["includes_funding"]
    if expected["roi"] is None:
        assert (row["roi"], row["roi_reason"]) == (None, case["null_reasons"]["roi"])
    else:
        assert row["roi"] == pytest.approx(expected["roi"], rel=1e-9)
        assert row["sharpe_ratio"] == pytest.approx(expected["sharpe"], rel=1e-9)


def test_windows_are_the_vector_s(vigil: Installation) -> None:
    case = ROI["windows"]
    returns = [Decimal(str(r)) for r in case["inputs"]["daily_returns_oldest_first"]]
    account = Account(vigil, len(returns))
    account.made({0: 0.0, len(returns) - 1: 0.0})
    account.is_asked("funding", "ledger")
    equity = Decimal(10**12)
    account.holds(-1, str(equity), LAST_MS)
    for number, daily_return in enumerate(returns):
        equity *= 1 + daily_return
        account.holds(number, f"{equity:.12f}", LAST_MS)

    for days, name in ((30, "roi_30d"), (90, "roi_90d"), (None, "roi_all")):
        row = account.track(days)
        assert row["capital_basis"] == "snapshot_and_flows"
        assert row["roi"] == pytest.approx(case["expected"][name], rel=1e-9)
        assert row["n_days"] == (days or len(returns))
        assert row["annual_publishable"] == (days != 30)


def test_quiet_days_count_as_the_vector_says(vigil: Installation) -> None:
    case = RATIOS["missing_days_are_zero"]
    start = date.fromisoformat(case["inputs"]["series_start"])
    by_day = {
        (date.fromisoformat(day) - start).days: amount
        for day, amount in case["inputs"]["pnl_by_active_day_usd"].items()
    }
    account = Account(vigil, (date.fromisoformat(case["inputs"]["as_of"]) - start).days)
    account.made(by_day, 1000)

    row = account.track()

    assert row["n_days"] == case["expected"]["n_calendar_days"]
    assert row["sharpe_ratio"] == pytest.approx(case["expected"]["sharpe"], rel=1e-9)


def test_bitcoin_is_held_over_the_day_that_most_of_a_period_lies_in(vigil: Installation) -> None:
    """Snapshots of a quarter past two: a period that ends on a day is mostly of the one before."""
    rng = random.Random(2)
    days = 40
    account = Account(vigil, days)
    account.made({0: 0.0, days - 1: 0.0})
    account.is_asked("funding", "ledger")
    equity = [Decimal(1000)]
    price = [Decimal(100)]
    for _ in range(days + 1):
        equity.append(round(equity[-1] * Decimal(1 + rng.gauss(0.001, 0.02)), 6))
        price.append(round(price[-1] * Decimal(1 + rng.gauss(0, 0.02)), 6))
    for number in range(-1, days):
        account.holds(number, str(equity[number + 1]), 8_100_000)
    for number in range(days + 1):
        day = FIRST + (number - 2) * DAY_MS
        account.write(
            "INSERT INTO candles (day, coin, interval, open_time, open, high, low, close, volume, "
            "trades, filled, source) "
            "VALUES (%s, 'BTC', '5m', %s, 1, 1, 1, %s, 1, 1, false, 'fills')",
            *(day, day + DAY_MS - 300_000, price[number]),
        )

    row = account.track()

    made = [float(b / a) - 1 for a, b in itertools.pairwise(equity[: days + 1])]
    held = [float(b / a) - 1 for a, b in itertools.pairwise(price[: days + 1])]
    active = [a - b for a, b in zip(made, held, strict=True)]
    wanted = statistics.mean(active) / statistics.stdev(active) * math.sqrt(365)
    assert row["n_days"] == days
    assert row["information_ratio"] == pytest.approx(wanted, rel=1e-9)
    assert row["benchmark"] == "BTC"
    # Of the index: what a dollar became, and how far it fell.
    nav = [float(value / equity[0]) for value in equity[: days + 1]]
    deepest = min(value / max(nav[: n + 1]) - 1 for n, value in enumerate(nav))
    assert row["max_drawdown"] == pytest.approx(deepest, rel=1e-9)
    growth = nav[-1]
    assert row["cagr"] == pytest.approx(growth ** (365 / days) - 1, rel=1e-9)
    assert row["calmar_ratio"] == pytest.approx(row["cagr"] / -deepest, rel=1e-9)
    assert not row["annual_publishable"]
