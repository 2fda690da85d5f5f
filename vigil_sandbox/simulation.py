"""Runs one world from its first to its last millisecond."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from vigil_sandbox.agenda import Agenda, Floor
from vigil_sandbox.balances_writer import write_balances
from vigil_sandbox.exchange import Exchange
from vigil_sandbox.ledger import USD
from vigil_sandbox.margin_calls import MarginCalls
from vigil_sandbox.market_writer import CandleBook, write_funding, write_json, write_user_funding
from vigil_sandbox.markets import COIN_BY_NAME, CRASH_COIN
from vigil_sandbox.matching import Matching
from vigil_sandbox.node_writer import NodeWriter
from vigil_sandbox.population import BACKSTOP_USD, Founder, Population
from vigil_sandbox.prices import DAY_MS, HOUR_MS, MINUTE_MS, price_paths
from vigil_sandbox.settlement import Funding, convert_dust
from vigil_sandbox.spec import WorldSpec
from vigil_sandbox.tape import Tape, Trade

_FIRST_BLOCK = 716_400_000
_CRASH_MINUTE_OF_DAY = 14 * 60 + 7
_SNAPSHOT_MS = 2 * HOUR_MS + 15 * MINUTE_MS
_CROWD_CHECK_MINUTES = 20
_GIFT_COIN = COIN_BY_NAME["PURR/USDC"]


class Simulation:
    """One world while it runs; what it leaves behind is under `root`."""

    def __init__(self, spec: WorldSpec, root: Path) -> None:
        self.spec = spec
        self._root = root
        self._rng = Random(f"{spec.seed}/house")  # nosec B311 # a world repeats by its seed
        self._candles = CandleBook()
        self._node = NodeWriter(root)
        self._tape = Tape(Random(f"{spec.seed}/blocks"), _FIRST_BLOCK, self._node.write)  # nosec B311 # a world repeats by its seed
        crash_minute = spec.day_count // 2 * 1440 + _CRASH_MINUTE_OF_DAY
        self._crash_ms = spec.start_ms + crash_minute * MINUTE_MS
        self.exchange = Exchange(
            seed=spec.seed,
            paths=price_paths(
                seed=spec.seed,
                start_ms=spec.start_ms,
                day_count=spec.day_count,
                crash_minute=crash_minute,
                has_drift=spec.flow_insight is None,
            ),
            tape=self._tape,
            on_trade=self._record,
        )
        self.exchange.now_ms = spec.start_ms
        self.funding = Funding(self.exchange, Random(f"{spec.seed}/funding"))  # nosec B311 # a world repeats by its seed
        self._matching = Matching(self.exchange, Random(f"{spec.seed}/matching"))  # nosec B311 # a world repeats by its seed
        self._agenda = Agenda(spec.start_ms, spec.end_ms)
        self.population = self._found()
        self.margin_calls = MarginCalls(self.exchange, self._matching, self.population.backstop)
        self.trade_count = 0
        self.dust_leg_count = 0
        self.fill_count = 0
        self.traders: dict[str, int] = {}
        """Fills per address, of those that traded."""

        self.coins: dict[str, int] = {}
        """Trades per coin, of those traded."""

    def run(self, report: Callable[[str], None]) -> None:
        """Let everything happen, and write the files."""
        self._plan_house()
        day_end_ms = self.spec.start_ms + DAY_MS
        for time_ms, action in self._agenda.run():
            if time_ms >= day_end_ms:
                report(
                    f"day {(day_end_ms - self.spec.start_ms) // DAY_MS}: {self.fill_count} fills"
                )
                day_end_ms += DAY_MS
            self.exchange.now_ms = time_ms
            action()
        self.exchange.now_ms = self.spec.end_ms
        self._tape.cut()
        self._node.flush()
        self._write_markets()

    def _found(self) -> Population:
        self._matching.vault = vault = self.exchange.open_account()
        floor = Floor(
            exchange=self.exchange,
            orders=self._matching,
            agenda=self._agenda,
            rng=self._rng,
            vault=vault,
        )
        return Founder(self.spec, floor, self._matching, self._crash_ms).found()

    def _plan_house(self) -> None:
        crowd = self.population.crowd
        if crowd is not None:
            crowd.plan(self.spec.crowd_orders_per_day)
        for day_ms in range(self.spec.start_ms, self.spec.end_ms, DAY_MS):
            for hour in range(24):
                self._house(day_ms + hour * HOUR_MS, self.funding.charge)
                self._house(day_ms + hour * HOUR_MS + 30 * MINUTE_MS, self._shrink_backstop)
            self._house(day_ms + 60 + self._rng.randrange(80), self._convert_dust)
            self._house(day_ms + _SNAPSHOT_MS + self._rng.randrange(MINUTE_MS), self._snapshot)
            self._house(day_ms + 23 * HOUR_MS, self._give_dust)
        self._give_dust()
        for minute_ms in range(self.spec.start_ms, self.spec.end_ms, MINUTE_MS):
            self._house(minute_ms + 1 + self._rng.randrange(900), self._check_margins)

    def _house(self, time_ms: int, action: Callable[[], None]) -> None:
        self._agenda.at(time_ms, action, is_house=True)

    def _snapshot(self) -> None:
        # Blocks before it are in the snapshot, blocks after it are not.
        self._tape.cut()
        write_balances(self._root, self.exchange)

    def _convert_dust(self) -> None:
        self._tape.cut()
        convert_dust(self.exchange, self._matching, self.population.dust_seller)
        self._tape.cut()

    def _give_dust(self) -> None:
        """Give some traders less than one whole token, which they cannot sell."""
        crowd = self.population.crowd
        if crowd is None:
            return
        for trader in crowd.traders[self._rng.randrange(3) :: 4]:
            units = 10**7 + self._rng.randrange(8 * 10**7)
            self.exchange.ledger.grant(
                trader.account, _GIFT_COIN.base_token, units, 0, self.exchange.now_ms
            )

    def _check_margins(self) -> None:
        now_ms = self.exchange.now_ms
        for account in self.population.risky:
            self.margin_calls.check(account)
        minute = (now_ms - self.spec.start_ms) // MINUTE_MS
        if minute % _CROWD_CHECK_MINUTES == 0 and self.population.crowd is not None:
            for trader in self.population.crowd.traders:
                for dex in trader.account.margins:
                    self.margin_calls.check(trader.account, dex)
        if now_ms // MINUTE_MS == self._crash_ms // MINUTE_MS:
            self.margin_calls.deleverage(CRASH_COIN)

    def _shrink_backstop(self) -> None:
        """The backstop vault is refilled, and sells half of what it holds, or all of a little."""
        backstop = self.population.backstop
        missing = BACKSTOP_USD * USD - self.exchange.equity(backstop)
        if missing > 0:
            self.exchange.ledger.deposit(backstop, missing, self.exchange.now_ms)
        for name, position in list(backstop.positions.items()):
            if position.size:
                coin = COIN_BY_NAME[name]
                is_small = abs(position.cost) < 3_000 * 10**6
                size = abs(position.size) if is_small else (abs(position.size) + 1) // 2
                self._matching.send(
                    backstop,
                    coin,
                    buys=position.size < 0,
                    size=size,
                    makers=[self.population.vault],
                )

    def _record(self, trade: Trade, time_ms: int) -> None:
        self._candles.record(trade, time_ms)
        name = trade.coin.name
        legs = [trade.seller] if trade.buyer is None else [trade.buyer, trade.seller]
        for leg in legs:
            self.traders[leg.trader] = self.traders.get(leg.trader, 0) + 1
        self.fill_count += len(legs)
        if trade.buyer is None:
            self.dust_leg_count += 1
            return
        self.trade_count += 1
        self.coins[name] = self.coins.get(name, 0) + 1

    def _write_markets(self) -> None:
        days_ms = range(self.spec.start_ms, self.spec.end_ms, DAY_MS)
        self._candles.write(self._root, days_ms)
        write_funding(self._root, self.funding.rates, days_ms)
        write_user_funding(self._root, self.funding.payments)
        write_json(self._root / "api" / "ledger.json", self.exchange.ledger.entries)
