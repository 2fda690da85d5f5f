"""Planted traders are classed from the files as the truth expects, by the seeds' own rules."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from math import sqrt
from statistics import mean, stdev

import pytest

from vigil_sandbox.world import DEMO, World, write_world

from .oracle import DAY_MS, Fill, WorldFiles

BEHAVIOURS = {
    "market_maker", "directional_skilled", "directional_lucky", "liquidated_gambler",
    "twap_whale", "holder", "copy_leader", "copy_follower", "crash_victim", "deleveraged_short",
}  # fmt: skip


class Sums:
    """One trader's lifetime sums, over all of its rows."""

    def __init__(self) -> None:
        self.rows = self.maker_rows = self.liquidation_rows = 0
        self.closed_pnl = self.fees_usd = self.volume = Decimal(0)
        self.days: dict[int, Decimal] = defaultdict(Decimal)

    def add(self, fill: Fill) -> None:
        price, pnl, fee = (Decimal(fill[key]) for key in ("px", "closedPnl", "fee"))
        self.rows += 1
        self.maker_rows += not fill["crossed"]
        self.liquidation_rows += "liquidation" in fill.row
        self.closed_pnl += pnl
        self.fees_usd += fee if fill["feeToken"] in ("USDC", "USDH") else fee * price
        self.volume += price * Decimal(fill["sz"])
        self.days[fill["time"] // DAY_MS] += pnl

    def trader_class(self) -> str:
        edge = self.closed_pnl / self.volume
        if self.liquidation_rows * 5 >= self.rows:
            return "LIQUIDATOR"
        if self.maker_rows * 10 >= self.rows * 7 and abs(edge) <= Decimal("0.001"):
            return "HFT"
        earns = self.closed_pnl - self.fees_usd >= 100_000 and edge >= Decimal("0.001")
        return "SMART_DIRECTIONAL" if earns and self._sharpe() >= 1 else "RETAIL"

    def _sharpe(self) -> float:
        daily = [float(pnl) for pnl in self.days.values()]
        return mean(daily) / stdev(daily) * sqrt(365) if len(daily) > 1 else 0.0


def sums_of(fills: Iterable[Fill]) -> dict[str, Sums]:
    sums: dict[str, Sums] = defaultdict(Sums)
    for fill in fills:
        sums[fill.trader].add(fill)
    return sums


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(DEMO, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def demo_files(demo: World) -> WorldFiles:
    return WorldFiles(demo.root)


def mismatches(files: WorldFiles) -> list[tuple[str, str, str]]:
    sums = sums_of(files.fills)
    return [
        (one["behaviour"], one["expected_type"], sums[one["address"]].trader_class())
        for one in files.truth["planted"]
        if one["expected_type"] != sums[one["address"]].trader_class()
    ]


def test_tiny_has_two_of_every_behaviour(files: WorldFiles) -> None:
    counts = Counter(one["behaviour"] for one in files.truth["planted"])

    assert counts.keys() == BEHAVIOURS
    assert min(counts.values()) >= 2


def test_tiny_traders_are_classed_as_planted(files: WorldFiles) -> None:
    assert mismatches(files) == []


def test_gamblers_are_victims_and_nothing_else(files: WorldFiles) -> None:
    gamblers = {
        one["address"] for one in files.truth["planted"] if one["expected_type"] == "LIQUIDATOR"
    }

    for fill in files.fills:
        if fill.trader in gamblers and "liquidation" in fill.row:
            assert fill["liquidation"]["liquidatedUser"] == fill.trader


@pytest.mark.slow
def test_demo_traders_are_classed_as_planted(demo_files: WorldFiles) -> None:
    assert mismatches(demo_files) == []


@pytest.mark.slow
def test_demo_has_the_size_it_promises(demo: World) -> None:
    assert demo.fill_count >= 150_000
    assert demo.trader_count >= 300
    assert demo.coin_count >= 20


@pytest.mark.slow
def test_the_skilled_of_the_demo_profit_every_day(demo_files: WorldFiles) -> None:
    sums = sums_of(demo_files.fills)

    for one in demo_files.truth["planted"]:
        if one["behaviour"] == "directional_skilled":
            assert min(sums[one["address"]].days.values()) > 0
            assert len(sums[one["address"]].days) == DEMO.day_count


@pytest.mark.slow
def test_the_crowd_of_the_demo_is_ordinary_and_both_wins_and_loses(
    demo_files: WorldFiles,
) -> None:
    sums = sums_of(demo_files.fills)
    crowd = [sums[address] for address in demo_files.truth["crowd"] if address in sums]

    classes = Counter(one.trader_class() for one in crowd)
    winners = sum(one.closed_pnl > one.fees_usd for one in crowd)

    assert classes["RETAIL"] > 0.95 * len(crowd)
    assert 0.3 < winners / len(crowd) < 0.7


@pytest.mark.slow
def test_the_books_of_the_demo_balance(demo_files: WorldFiles) -> None:
    totals = demo_files.truth["totals"]

    accounts = demo_files.truth["accounts"].values()
    equities = [sums["equity"] for account in accounts for sums in account["perps"].values()]

    assert not [equity for equity in equities if equity.startswith("-")]
    assert totals["equity_residual"] == "0.0"
    assert set(totals["signed_size"].values()) == {"0.0"}
