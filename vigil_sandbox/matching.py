"""Who quotes, and how a market order is filled against them.

There is no book of single orders: makers quote a fixed distance from the mid price, and the
maker whose inventory wants the trade most gets it. That keeps inventories near zero.
"""

from collections.abc import Sequence
from random import Random

from vigil_sandbox.books import Account
from vigil_sandbox.exchange import Exchange, Order
from vigil_sandbox.markets import Coin, tick
from vigil_sandbox.tape import Liquidation

_SPREAD_UNIT = 100_000
_RESIDENT_SHARE = 0.07
"""Chance that another private trader, not a market maker, is at the top of the book."""

_VAULT_SHARE = 0.08


class Matching:
    """Fills market orders at once."""

    def __init__(self, exchange: Exchange, rng: Random) -> None:
        self._exchange = exchange
        self._rng = rng
        self.market_makers: list[Account] = []
        self.spot_dealers: list[Account] = []
        self.residents: dict[str, list[Account]] = {}
        """Private traders who also rest orders, per perp."""

        self.resident_limit_usd: dict[str, int] = {}
        """Largest position each of them accepts that way, by address."""

        self.vault: Account | None = None

    def send(
        self,
        taker: Account,
        coin: Coin,
        *,
        buys: bool,
        size: int,
        pieces: int = 1,
        makers: list[Account] | None = None,
        twap_id: int | None = None,
        liquidation: Liquidation | None = None,
    ) -> None:
        order = self._exchange.order(taker, buys=buys, twap_id=twap_id)
        for depth, part in enumerate(self._parts(size, pieces)):
            self._fill(order, coin, part, depth, makers, liquidation)

    def price(self, coin: Coin, *, buys: bool, depth: int = 0) -> int:
        """What a taker gets now: the mid, worse by the spread, on a whole tick."""
        mid = self._exchange.paths[coin.name].mid(self._exchange.now_ms)
        spread = coin.half_spread * (60 + self._rng.randrange(80)) // 100 + 1
        step = tick(coin, mid)
        shifted = mid * (_SPREAD_UNIT + (spread if buys else -spread))
        if buys:
            return (-(-shifted // (_SPREAD_UNIT * step)) + depth) * step
        return max(1, shifted // (_SPREAD_UNIT * step) - depth) * step

    def _fill(
        self,
        order: Order,
        coin: Coin,
        size: int,
        depth: int,
        makers: Sequence[Account] | None,
        liquidation: Liquidation | None,
    ) -> None:
        price = self.price(coin, buys=order.buys, depth=depth)
        maker = self._maker(order, coin, size * price, makers, is_forced=liquidation is not None)
        self._exchange.trade(
            order,
            maker=maker,
            coin=coin,
            size=size,
            price=price,
            liquidation=liquidation,
        )

    def _parts(self, size: int, pieces: int) -> list[int]:
        """Split a size into up to `pieces` unequal parts."""
        parts = []
        left = size
        for remaining in range(pieces, 1, -1):
            part = left * (20 + self._rng.randrange(60)) // (50 * remaining)
            if part <= 0 or part >= left:
                break
            parts.append(part)
            left -= part
        parts.append(left)
        return parts

    def _maker(
        self,
        order: Order,
        coin: Coin,
        value: int,
        makers: Sequence[Account] | None,
        *,
        is_forced: bool,
    ) -> Account:
        if coin.kind == "spot":
            return self._other(order.taker, self.spot_dealers)
        if makers:
            return self._other(order.taker, makers)
        if not is_forced and coin.dex == "":
            resident = self._resident(order, coin, value)
            if resident is not None:
                return resident
        if self.vault is not None and self._rng.random() < _VAULT_SHARE:
            return self.vault
        return self._keenest(order, coin)

    def _other(self, taker: Account, candidates: Sequence[Account]) -> Account:
        others = [account for account in candidates if account is not taker]
        return others[self._rng.randrange(len(others))]

    def _keenest(self, order: Order, coin: Coin) -> Account:
        """Of two market makers, the one whose position this trade brings nearer to zero."""
        first = self._other(order.taker, self.market_makers)
        second = self._other(order.taker, self.market_makers)
        prefers_first = (first.size(coin) > second.size(coin)) == order.buys
        return first if prefers_first else second

    def _resident(self, order: Order, coin: Coin, value: int) -> Account | None:
        residents = self.residents.get(coin.name)
        if not residents or self._rng.random() >= _RESIDENT_SHARE:
            return None
        resident = residents[self._rng.randrange(len(residents))]
        if resident is order.taker:
            return None
        position = resident.positions.get(coin.name)
        held = 0 if position is None else position.cost
        after = held - value if order.buys else held + value
        limit = self.resident_limit_usd[resident.address] * 10**coin.money_decimals
        return resident if abs(after) <= limit else None
