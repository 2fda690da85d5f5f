"""What really happened in a simulated market, as its exchange booked it, against the tables."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_sandbox.markets import CORE_PERPS
from vigil_sandbox.simulation import Simulation
from vigil_sandbox.spec import WorldSpec
from vigil_sandbox.tape import Trade
from vigil_sandbox.world import TINY

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
SELECT = "+key:oi_history or key:liquidation_events or key:trade_flow_history"
BUCKET_MS = 300_000
TRANSFERS = ("Auto-Deleveraging", "Settlement", "Net Child Vaults")


@dataclass
class Truth:
    """What the tables should say, from the exchange's own books."""

    bought: dict[tuple[str, int], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    """USD that takers bought, by coin and bucket."""
    sold: dict[tuple[str, int], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    liquidated: dict[tuple[str, int, str, str], Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    """USD by coin, ms, victim and the side of the position that died."""
    longs: dict[tuple[int, str], Decimal] = field(default_factory=dict)
    """Base units of all long positions, by hour of the balances snapshot and coin."""


class Watched(Simulation):
    """A simulation whose trades and positions are written down as they happen."""

    def __init__(self, spec: WorldSpec, root: Path) -> None:
        self.truth = Truth()
        super().__init__(spec, root)

    def _record(self, trade: Trade, time_ms: int) -> None:
        super()._record(trade, time_ms)
        if trade.buyer is None or trade.coin.kind != "perp":
            return
        usd = Decimal(trade.price * trade.size).scaleb(-trade.coin.money_decimals)
        name = trade.coin.name
        directions = {trade.buyer.direction, trade.seller.direction}
        off_book = any(d in TRANSFERS or d.startswith("Liquidated ") for d in directions)
        if not off_book:
            taker_buys = self.truth.bought if trade.buyer.crossed else self.truth.sold
            taker_buys[name, time_ms - time_ms % BUCKET_MS] += usd
        if trade.liquidation and trade.liquidation.victim != self.population.backstop.address:
            victim = trade.liquidation.victim
            side = "long" if trade.seller.trader == victim else "short"
            self.truth.liquidated[name, time_ms, victim, side] += usd

    def _snapshot(self) -> None:
        super()._snapshot()
        hour = self.exchange.now_ms // 3_600_000
        # The balances hold the positions of the exchange's own dex.
        for coin in CORE_PERPS:
            held = (account.size(coin) for account in self.exchange.accounts.values())
            total = Decimal(sum(size for size in held if size > 0))
            self.truth.longs[hour, coin.name] = total.scaleb(-coin.size_decimals)


@pytest.fixture(scope="module")
def market(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[tuple[Installation, Truth]]:
    folder = tmp_path_factory.mktemp("market")
    simulation = Watched(TINY, folder / "raw")
    simulation.run(lambda _: None)
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(folder / "raw" / "artemis" / "raw"))
    module_patch.setenv("VIGIL_VAULTS", simulation.population.backstop.address)
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select=SELECT)
        yield vigil, simulation.truth


def test_taker_flow_is_recovered_exactly(market: tuple[Installation, Truth]) -> None:
    vigil, truth = market
    rows = vigil.records("SELECT * FROM trade_flow_history")
    found = {(row["coin"], row["recorded_at"]): row for row in rows}

    keys = truth.bought.keys() | truth.sold.keys()
    assert len(keys) > 500
    for key in keys:
        row = found.pop(key)
        flow = row["buy_volume_usd"], row["sell_volume_usd"]
        assert flow == (truth.bought.get(key, 0), truth.sold.get(key, 0)), key
    assert not any(row["buy_volume_usd"] or row["sell_volume_usd"] for row in found.values())


def test_liquidations_are_recovered_exactly(market: tuple[Installation, Truth]) -> None:
    vigil, truth = market
    rows = vigil.records("SELECT * FROM liquidation_events")
    found = {
        (row["coin"], row["occurred_at"], row["address"], row["side"]): row["size_usd"]
        for row in rows
    }
    assert len(found) == len(rows) > 3
    assert found == {key: usd for key, usd in truth.liquidated.items() if usd >= 100}


def test_open_interest_is_recovered_exactly(market: tuple[Installation, Truth]) -> None:
    vigil, truth = market
    rows = vigil.records(
        "SELECT coin, recorded_at, oi_base FROM oi_history WHERE kind = 'snapshot'"
    )
    found = {(row["recorded_at"] // 3_600_000, row["coin"]): row["oi_base"] for row in rows}
    held = {key: base for key, base in truth.longs.items() if base}
    assert len(held) > 20
    assert found == held
