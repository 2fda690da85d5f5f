"""The crowd: private traders without skill, each with its own coins, size and habits."""

from collections.abc import Sequence
from functools import partial
from random import Random

from vigil_sandbox.agenda import Floor
from vigil_sandbox.books import Account
from vigil_sandbox.ledger import USD
from vigil_sandbox.markets import COINS, CORE_PERPS, PERPS, SPOTS, Coin
from vigil_sandbox.prices import DAY_MS, HOUR_MS

_SPOT_BUDGET_USD = 4_000


class PrivateTrader:
    """Opens, adds, halves, closes or turns a position at random."""

    def __init__(self, floor: Floor, account: Account, rng: Random) -> None:
        self._floor = floor
        self._rng = rng
        self.account = account
        # Squared, so that a few traders are large and many are small.
        self.unit_usd = 150 + int(6_000 * rng.random() * rng.random() * rng.random())
        self.activity = 0.03 + rng.random() * rng.random() * rng.random()
        self._buy_share = 0.35 + 0.3 * rng.random()
        self.coins = _tastes(rng)

    @property
    def deposit_usd(self) -> int:
        return self.unit_usd * 3 + 100

    def act(self) -> None:
        """One order in one of its coins."""
        self.act_in(self._rng.choice(self.coins))

    def act_in(self, coin: Coin) -> None:
        """One order in a given coin, whatever its taste."""
        if coin.kind == "spot":
            self._trade_spot(coin)
        else:
            self._trade_perp(coin)

    def _trade_perp(self, coin: Coin) -> None:
        rng = self._rng
        self._top_up(coin.dex)
        held = self.account.size(coin)
        usd = self.unit_usd * (25 + rng.randrange(125)) // 100
        size = self._floor.size_for(coin, usd)
        luck = rng.random()
        if held == 0:
            target = size if rng.random() < self._buy_share else -size
        elif luck < 0.50:
            target = 0
        elif luck < 0.62:
            target = (abs(held) // 2) * (1 if held > 0 else -1)
        elif luck < 0.74:
            target = -size if held > 0 else size
        elif abs(held) * self._floor.mid(coin) < 2 * self.unit_usd * USD:
            target = held + (size if held > 0 else -size)
        else:
            target = 0
        self._floor.trade_toward(self.account, coin, target, pieces=1 + rng.randrange(3))

    def _trade_spot(self, coin: Coin) -> None:
        lots = self.account.spot_lots(coin)
        sells = lots > 0 and self._rng.random() < 0.6
        usd = min(self.unit_usd, 600) * (40 + self._rng.randrange(100)) // 100
        size = lots if sells else self._floor.size_for(coin, usd)
        if not sells and self.account.balance("USDC") < usd * 2 * 10**8:
            exchange = self._floor.exchange
            amount = _SPOT_BUDGET_USD * 10**8
            exchange.ledger.grant(self.account, "USDC", amount, amount, exchange.now_ms)
        self._floor.orders.send(
            self.account,
            coin,
            buys=not sells,
            size=size,
            pieces=1 + self._rng.randrange(2),
        )

    def _top_up(self, dex: str) -> None:
        exchange = self._floor.exchange
        if exchange.equity(self.account, dex) < self.unit_usd * 3 * USD // 2:
            exchange.ledger.deposit(self.account, self.deposit_usd * USD, exchange.now_ms, dex)

    def withdraw(self) -> None:
        """Take out a tenth of what is there."""
        exchange = self._floor.exchange
        tenth = exchange.equity(self.account) // 10
        if tenth > 0:
            exchange.ledger.withdraw(self.account, tenth, exchange.now_ms)


class Crowd:
    """All private traders, and when each of them acts."""

    def __init__(self, floor: Floor, traders: Sequence[PrivateTrader]) -> None:
        self._floor = floor
        self.traders = traders

    def plan(self, orders_per_day: int) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        weights = [trader.activity for trader in self.traders]
        for day_ms in range(agenda.start_ms, agenda.end_ms, DAY_MS):
            for trader in rng.choices(self.traders, weights, k=orders_per_day):
                agenda.at(day_ms + self._moment(), trader.act)
            for trader in self.traders[:: max(1, len(self.traders) // 4)]:
                agenda.at(day_ms + rng.randrange(DAY_MS), trader.withdraw)
            # No coin goes without a trade for a whole day.
            for coin in COINS:
                trader = self.traders[rng.randrange(len(self.traders))]
                agenda.at(day_ms + self._moment(), partial(trader.act_in, coin))
            for hour in range(24):
                self._plan_last_order(day_ms + (hour + 1) * HOUR_MS)

    def _moment(self) -> int:
        """A time of day; twice as likely in the busy hours from 12:00 to 20:00."""
        while True:
            moment = self._floor.rng.randrange(DAY_MS)
            if 12 <= moment // HOUR_MS < 20 or self._floor.rng.random() < 0.5:
                return moment

    def _plan_last_order(self, end_ms: int) -> None:
        # The node's clock trails by more than this, so these fills land in the next object.
        rng = self._floor.rng
        trader = self.traders[rng.randrange(len(self.traders))]
        coin = CORE_PERPS[rng.randrange(5)]
        self._floor.agenda.at(end_ms - 40 - rng.randrange(80), partial(trader.act_in, coin))


def _tastes(rng: Random) -> list[Coin]:
    coins = list(rng.sample(CORE_PERPS, 1 + rng.randrange(5)))
    if rng.random() < 0.5:
        coins.append(CORE_PERPS[rng.randrange(4)])
    if rng.random() < 0.25:
        coins.append(PERPS[-1 - rng.randrange(2)])
    if rng.random() < 0.35:
        coins.append(SPOTS[rng.randrange(len(SPOTS))])
    return coins
