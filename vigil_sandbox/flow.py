"""Takers whose flow says where prices go, or, without insight, says nothing at all."""

from functools import partial

from vigil_sandbox.agenda import Floor
from vigil_sandbox.books import Account
from vigil_sandbox.ledger import USD
from vigil_sandbox.markets import COIN_BY_NAME, Coin
from vigil_sandbox.prices import MINUTE_MS, bell

FLOW_COINS = (COIN_BY_NAME["BTC"], COIN_BY_NAME["ETH"])
HORIZON_MS = 30 * MINUTE_MS
"""How far ahead they look."""

_SQRT_HORIZONS_PER_DAY = 6.928203230275509
_UNIT_USD = 4_000
_LIMIT_UNITS = 8
_SHORTEST_PAUSE_MS = 2 * MINUTE_MS
_PAUSE_RANGE_MS = 3 * MINUTE_MS

DEPOSIT_USD = 2 * _LIMIT_UNITS * _UNIT_USD * len(FLOW_COINS)


class FlowTrader:
    """Sends a taker order in each coin every few minutes, in the direction it believes in.

    The larger its position, the surer it must be to add to it, so positions come back to zero.
    """

    def __init__(self, floor: Floor, account: Account, insight: float) -> None:
        self._floor = floor
        self._account = account
        self._insight = insight

    def plan(self) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        for coin in FLOW_COINS:
            time_ms = agenda.start_ms + rng.randrange(_SHORTEST_PAUSE_MS)
            while time_ms < agenda.end_ms:
                # Drawn here and not when the order is sent: worlds that differ only in insight
                # have the same moments, sizes and errors.
                usd = _UNIT_USD * (50 + rng.randrange(100)) // 100
                agenda.at(time_ms, partial(self._trade, coin, usd, bell(rng)))
                time_ms += _SHORTEST_PAUSE_MS + rng.randrange(_PAUSE_RANGE_MS)

    def _trade(self, coin: Coin, usd: int, error: float) -> None:
        self._top_up()
        belief = self._insight * self._coming(coin) + (1.0 - self._insight) * error
        held_usd = self._account.size(coin) * self._floor.mid(coin) / USD
        self._floor.orders.send(
            self._account,
            coin,
            buys=belief > held_usd / (_LIMIT_UNITS * _UNIT_USD),
            size=self._floor.size_for(coin, usd),
            # Its winnings would ruin a market maker, and its flow return as the maker's.
            makers=[self._floor.vault],
        )

    def _coming(self, coin: Coin) -> float:
        """The return of the next half hour, or of what is left of the world, in deviations."""
        path, now_ms = self._floor.exchange.paths[coin.name], self._floor.exchange.now_ms
        until_ms = min(now_ms + HORIZON_MS, self._floor.agenda.end_ms)
        before = path.mid(now_ms)
        change = (path.mid(until_ms) - before) / before
        return change * _SQRT_HORIZONS_PER_DAY / coin.day_volatility

    def _top_up(self) -> None:
        exchange = self._floor.exchange
        if exchange.equity(self._account) < DEPOSIT_USD // 2 * USD:
            exchange.ledger.deposit(self._account, DEPOSIT_USD * USD, exchange.now_ms)
