"""Who lives in a world: the planted traders, the crowd and the exchange's own accounts."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from vigil_sandbox.agenda import Floor
from vigil_sandbox.books import Account
from vigil_sandbox.crowd import Crowd, PrivateTrader
from vigil_sandbox.exchange import Exchange
from vigil_sandbox.flow import DEPOSIT_USD, FlowTrader
from vigil_sandbox.ledger import USD
from vigil_sandbox.markets import PERPS, SPOTS
from vigil_sandbox.matching import Matching
from vigil_sandbox.prices import HOUR_MS
from vigil_sandbox.rhythms import RHYTHMS, Keeper, RoundTripper
from vigil_sandbox.settlement import DUST_SELLER
from vigil_sandbox.spec import WorldSpec
from vigil_sandbox.traders import (
    CopyPair,
    CrashVictim,
    DeleveragedShort,
    DirectionalLucky,
    DirectionalSkilled,
    Holder,
    LiquidatedGambler,
    MarketMaker,
    PlantedTrader,
    TraderClass,
    TwapWhale,
)

_FIRST_TWAP_ID = 1_186_400
_BUILDER_RATES = (250, 500, 1_000)
_CROWD_RATES = ((450, 150), (450, 150), (400, 120), (350, 80))
BACKSTOP_USD = 15_000
_INVENTORY_LIMIT_USD = 2_500
_FLOW_TRADERS = 3
_RHYTHM_DEPOSIT_USD = 100_000


class Behaviour(Protocol):
    """Something that enters its actions into the agenda."""

    def plan(self) -> None:
        """Once, before the world starts."""
        ...


@dataclass(slots=True)
class Population:
    """Everybody, and what each planted trader really is."""

    vault: Account
    backstop: Account
    dust_seller: Account
    planted: list[PlantedTrader] = field(default_factory=list)
    behaviours: list[Behaviour] = field(default_factory=list)
    risky: list[Account] = field(default_factory=list)
    """Accounts whose margin is checked every minute."""

    crowd: Crowd | None = None
    roles: dict[str, str] = field(default_factory=dict)
    """What each of the exchange's own accounts does, by address."""


class Founder:
    """Opens all accounts of a world and funds them, in a fixed order."""

    def __init__(self, spec: WorldSpec, floor: Floor, matching: Matching, crash_ms: int) -> None:
        self._spec = spec
        self._floor = floor
        self._exchange: Exchange = floor.exchange
        self._matching = matching
        self._crash_ms = crash_ms
        self._opened_ms = floor.agenda.start_ms - HOUR_MS
        self._population = Population(
            vault=floor.vault,
            backstop=self._funded(BACKSTOP_USD),
            dust_seller=self._exchange.open_account(DUST_SELLER),
        )

    def found(self) -> Population:
        """Open every account and plan every behaviour."""
        self._found_house()
        for index in range(self._spec.market_maker_count):
            self._found_market_maker(index)
        for index in range(self._spec.planted_each):
            self._found_directional(index)
            self._found_gambler(index)
            self._found_patient(index)
            self._found_copy_pair(index)
            self._found_crash_pair(index)
        self._found_crowd()
        if self._spec.flow_insight is not None:
            for index in range(_FLOW_TRADERS):
                self._found_flow_trader(index, self._spec.flow_insight)
        for index in range(self._spec.rhythms_each):
            self._found_rhythms(index)
        for behaviour in self._population.behaviours:
            behaviour.plan()
        return self._population

    def _found_house(self) -> None:
        population = self._population
        # It holds the other side of whatever the informed win.
        self._fund(population.vault, 50_000_000)
        self._fund_dexes(population.vault, 1_000_000)
        population.vault.pays_no_fee = True
        population.vault.has_float_noise = True
        population.backstop.pays_no_fee = True
        self._exchange.ledger.grant(
            population.dust_seller,
            "USDC",
            10_000 * 10**8,
            10_000 * 10**8,
            self._opened_ms,
        )
        population.roles[population.vault.address] = "zero-fee vault"
        population.roles[population.backstop.address] = "backstop vault"
        population.roles[population.dust_seller.address] = "dust seller"
        for spot_rate in (-10, 100):
            dealer = self._exchange.open_account()
            dealer.spot_maker_rate = spot_rate
            dealer.names_orders = True
            population.roles[dealer.address] = "spot dealer"
            self._matching.spot_dealers.append(dealer)
            for coin in SPOTS:
                units = 3_000_000 * 10**8 * 10**coin.price_decimals // self._floor.mid(coin)
                self._grant(dealer, coin.base_token, units, 3_000_000 * 10**8)
            self._grant(dealer, "USDC", 20_000_000 * 10**8, 20_000_000 * 10**8)

    def _found_market_maker(self, index: int) -> None:
        floor = self._own_floor(f"market_maker/{index}")
        account = self._funded(2_000_000)
        self._fund_dexes(account, 500_000)
        account.has_float_noise = index == 0
        self._matching.market_makers.append(account)
        self._add(
            MarketMaker(floor, account, _INVENTORY_LIMIT_USD), account, "market_maker", "HFT",
            "Rests on both sides for a spread of some basis points and keeps its inventory small.",
        )  # fmt: skip

    def _found_directional(self, index: int) -> None:
        spec = self._spec
        skilled = self._funded(spec.directional_notional_usd // 2)
        self._add(
            DirectionalSkilled(
                self._own_floor(f"directional_skilled/{index}"), skilled,
                spec.directional_notional_usd, spec.orders_per_session,
            ),
            skilled, "directional_skilled", "SMART_DIRECTIONAL",
            "Knows most of the next hours' drift, trades the strongest and closes the same day.",
        )  # fmt: skip
        lucky = self._funded(spec.directional_notional_usd // 2)
        self._add(
            DirectionalLucky(
                self._own_floor(f"directional_lucky/{index}"), lucky,
                spec.directional_notional_usd, spec.orders_per_session, spec.lucky_days,
            ),
            lucky, "directional_lucky", "SMART_DIRECTIONAL",
            "Flips coins and was picked from many for its result; it has no skill, but lifetime"
            " sums cannot tell.",
        )  # fmt: skip

    def _found_gambler(self, index: int) -> None:
        floor = self._own_floor(f"liquidated_gambler/{index}")
        account = self._exchange.open_account()
        stake_usd = 250 + 150 * index
        self._add(
            LiquidatedGambler(floor, account, stake_usd), account,
            "liquidated_gambler", "LIQUIDATOR",
            "Is itself liquidated again and again; the rule takes a victim for a liquidator.",
        )  # fmt: skip
        self._population.risky.append(account)

    def _found_patient(self, index: int) -> None:
        whale = self._funded(2 * self._spec.twap_notional_usd)
        self._add(
            TwapWhale(
                self._own_floor(f"twap_whale/{index}"), whale, self._spec.twap_notional_usd,
                self._spec.twap_slice_count, _FIRST_TWAP_ID + 1_000 * index,
            ),
            whale, "twap_whale", "RETAIL",
            "Cuts large orders into time slices, without a view that would pay.",
        )  # fmt: skip
        holder = self._funded(90_000)
        self._add(
            Holder(self._own_floor(f"holder/{index}"), holder, 60_000 + 10_000 * index),
            holder, "holder", "RETAIL",
            "Buys on the first day and keeps it, so nothing is ever realized.",
        )  # fmt: skip

    def _found_copy_pair(self, index: int) -> None:
        leader, follower = self._funded(60_000), self._funded(30_000)
        pair = CopyPair(
            self._own_floor(f"copy_pair/{index}"), leader, follower, 6_000,
            self._spec.copy_orders_per_day,
        )  # fmt: skip
        self._add(
            pair, leader, "copy_leader", "RETAIL",
            f"Trades at random; {follower.address} repeats every order.",
        )  # fmt: skip
        self._note(
            follower, "copy_follower", "RETAIL",
            f"Repeats each order of {leader.address} two to nine seconds later at two fifths.",
        )  # fmt: skip

    def _found_crash_pair(self, index: int) -> None:
        notional_usd = 600_000
        victim = self._funded(notional_usd // 10 + 4_000)
        self._add(
            CrashVictim(
                self._own_floor(f"crash_victim/{index}"), victim, notional_usd, self._crash_ms
            ),
            victim, "crash_victim", "LIQUIDATOR",
            "Bought at full leverage before the crash and was taken over by the backstop vault.",
        )  # fmt: skip
        self._population.risky.append(victim)
        short = self._funded(notional_usd // 2)
        self._add(
            DeleveragedShort(
                self._own_floor(f"deleveraged_short/{index}"), short, notional_usd * 5 // 6,
                self._crash_ms,
            ),
            short, "deleveraged_short", "RETAIL",
            "Was short in the crash, and the exchange closed its winning position.",
        )  # fmt: skip

    def _found_flow_trader(self, index: int, insight: float) -> None:
        account = self._funded(DEPOSIT_USD)
        self._add(
            FlowTrader(self._own_floor(f"flow_trader/{index}"), account, insight), account,
            "flow_trader", "RETAIL",
            "Takes every few minutes and wins every day, but not six figures."
            if insight else "Takes every few minutes, and draws the side.",
        )  # fmt: skip

    def _found_rhythms(self, index: int) -> None:
        for name, (trips_per_day, shortest_ms, longest_ms, why) in RHYTHMS.items():
            account = self._funded(_RHYTHM_DEPOSIT_USD)
            trader = RoundTripper(
                self._own_floor(f"{name}/{index}"), account, trips_per_day=trips_per_day,
                shortest_ms=shortest_ms, longest_ms=longest_ms,
            )  # fmt: skip
            self._add(trader, account, name, "RETAIL", why)
        account = self._funded(_RHYTHM_DEPOSIT_USD)
        keeper = Keeper(self._own_floor(f"keeper/{index}"), account, _RHYTHM_DEPOSIT_USD)
        self._add(keeper, account, "keeper", "RETAIL", "Buys on the first day, sells on the last.")

    def _found_crowd(self) -> None:
        builders = [self._exchange.new_address() for _ in range(3)]
        traders = []
        for index in range(self._spec.crowd_count):
            floor = self._own_floor(f"crowd/{index}")
            account = self._exchange.open_account()
            trader = PrivateTrader(floor, account, floor.rng)
            self._fund(account, trader.deposit_usd)
            account.taker_rate, account.maker_rate = floor.rng.choice(_CROWD_RATES)
            account.names_orders = floor.rng.random() < 0.3
            account.leverage = floor.rng.choice((3, 5, 10))
            account.has_float_noise = index % 9 == 0
            if index % 6 == 1:
                account.builder = builders[index % 3]
                # Some front ends are named in the fill and charge nothing.
                account.builder_rate = 0 if index % 18 == 1 else floor.rng.choice(_BUILDER_RATES)
            if index % 3 == 0:
                self._let_rest_orders(trader)
            traders.append(trader)
        self._population.crowd = Crowd(self._own_floor("crowd"), traders)

    def _let_rest_orders(self, trader: PrivateTrader) -> None:
        self._matching.resident_limit_usd[trader.account.address] = 2 * trader.unit_usd
        for coin in trader.coins:
            if coin.kind == "perp" and not coin.dex:
                self._matching.residents.setdefault(coin.name, []).append(trader.account)

    def _add(
        self,
        behaviour: Behaviour,
        account: Account,
        name: str,
        expected_type: TraderClass,
        why: str,
    ) -> None:
        self._population.behaviours.append(behaviour)
        self._note(account, name, expected_type, why)

    def _note(self, account: Account, name: str, expected_type: TraderClass, why: str) -> None:
        self._population.planted.append(
            PlantedTrader(
                address=account.address,
                behaviour=name,
                expected_type=expected_type,
                why=why,
            )
        )

    def _own_floor(self, stream: str) -> Floor:
        """The floor with a random stream of its own, so that no trader's draws shift another's."""
        return replace(self._floor, rng=Random(f"{self._spec.seed}/{stream}"))  # nosec B311 # a world repeats by its seed

    def _funded(self, usd: int) -> Account:
        account = self._exchange.open_account()
        self._fund(account, usd)
        return account

    def _fund(self, account: Account, usd: int, dex: str = "") -> None:
        self._exchange.ledger.deposit(account, usd * USD, self._opened_ms, dex)

    def _fund_dexes(self, account: Account, usd: int) -> None:
        """Collateral for the perps of every builder's dex."""
        for dex in dict.fromkeys(coin.dex for coin in PERPS if coin.dex):
            self._fund(account, usd, dex)

    def _grant(self, account: Account, token: str, units: int, value: int) -> None:
        self._exchange.ledger.grant(account, token, units, value, self._opened_ms)
