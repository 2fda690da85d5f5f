"""What is due when, and what an action may reach."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from vigil_sandbox.books import Account
from vigil_sandbox.exchange import Exchange
from vigil_sandbox.markets import Coin

Action = Callable[[], None]


class Agenda:
    """Actions in order of time; equal times in the order they were entered, the house first."""

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self._due: list[tuple[int, int, int, Action]] = []
        self._count = 0

    def at(self, time_ms: int, action: Action, *, is_house: bool = False) -> None:
        """Enter an action. One that lies past the end of the world never happens."""
        if time_ms < self.end_ms:
            self._count += 1
            rank = 0 if is_house else 1
            heapq.heappush(self._due, (time_ms, rank, self._count, action))

    def run(self) -> Iterator[tuple[int, Action]]:
        """Hand out what is due, including what is entered meanwhile."""
        while self._due:
            time_ms, _, _, action = heapq.heappop(self._due)
            yield time_ms, action


class MarketOrders(Protocol):
    """Where traders send orders that are to be filled at once."""

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
    ) -> None:
        """Fill `size` in up to `pieces` trades against the named makers, or whoever quotes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Everything a trader can reach."""

    exchange: Exchange
    orders: MarketOrders
    agenda: Agenda
    rng: Random
    vault: Account
    """The zero-fee vault, which quotes any size in every perp."""

    def mid(self, coin: Coin) -> int:
        return self.exchange.paths[coin.name].mid(self.exchange.now_ms)

    def size_for(self, coin: Coin, notional_usd: int) -> int:
        """The size now worth about so many dollars."""
        return coin.size_of(notional_usd, self.mid(coin))

    def trade_toward(
        self,
        trader: Account,
        coin: Coin,
        target: int,
        *,
        pieces: int = 1,
        uses_vault: bool = False,
    ) -> None:
        """Bring a perp position to `target` with one market order."""
        change = target - trader.size(coin)
        if change:
            makers = [self.vault] if uses_vault else None
            self.orders.send(
                trader,
                coin,
                buys=change > 0,
                size=abs(change),
                pieces=pieces,
                makers=makers,
            )
