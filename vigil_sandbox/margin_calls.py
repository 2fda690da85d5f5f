"""Positions the exchange closes: in the book, through the backstop vault, by deleveraging."""

from vigil_sandbox.books import Account
from vigil_sandbox.exchange import Exchange
from vigil_sandbox.markets import COIN_BY_NAME, Coin, tick
from vigil_sandbox.matching import Matching
from vigil_sandbox.tape import Liquidation

_DELEVERAGED_AT_MOST = 20


class MarginCalls:
    """Checks accounts against their maintenance margin: half the margin at full leverage."""

    def __init__(self, exchange: Exchange, matching: Matching, backstop: Account) -> None:
        self._exchange = exchange
        self._matching = matching
        self._backstop = backstop
        self.market_count = 0
        self.backstop_count = 0
        self.deleveraging_count = 0

    def check(self, account: Account, dex: str = "") -> None:
        """Liquidate if need be. The backstop steps in once two thirds are not there any more.

        Only a single position goes to the backstop: its price then settles the whole account.
        """
        open_coins = [
            COIN_BY_NAME[name]
            for name, position in account.positions.items()
            if position.size and COIN_BY_NAME[name].dex == dex
        ]
        if not open_coins:
            return
        needed = sum(self._maintenance(account, coin) for coin in open_coins)
        equity = self._exchange.equity(account, dex)
        if equity >= needed:
            return
        if 3 * equity < 2 * needed and len(open_coins) == 1:
            self._hand_over(account, open_coins[0])
            return
        for coin in open_coins:
            self._sell_in_book(account, coin)

    def _maintenance(self, account: Account, coin: Coin) -> int:
        return abs(account.size(coin)) * self._mark(coin) // (2 * coin.max_leverage)

    def _mark(self, coin: Coin) -> int:
        return self._exchange.paths[coin.name].mark(self._exchange.now_ms)

    def _sell_in_book(self, account: Account, coin: Coin) -> None:
        size = account.size(coin)
        self._matching.send(
            account,
            coin,
            buys=size < 0,
            size=abs(size),
            pieces=1 if account.leverage > 20 else 3,
            liquidation=Liquidation(
                victim=account.address, mark_price=self._mark(coin), method="market"
            ),
        )
        self.market_count += 1

    def _hand_over(self, victim: Account, coin: Coin) -> None:
        """The vault takes the position at the price that leaves the victim with nothing."""
        size = victim.size(coin)
        side = "Long" if size > 0 else "Short"
        self._exchange.trade(
            self._exchange.order(victim, buys=size < 0),
            maker=self._backstop,
            coin=coin,
            size=abs(size),
            price=self._break_even_price(victim, coin),
            label=f"Liquidated Cross {side}",
            liquidation=Liquidation(
                victim=victim.address, mark_price=self._mark(coin), method="backstop"
            ),
        )
        self.backstop_count += 1

    def _break_even_price(self, account: Account, coin: Coin) -> int:
        """The tick nearest to the mark at which closing leaves the equity at zero or above."""
        size = account.size(coin)
        others = self._exchange.equity(account, coin.dex) - size * self._mark(coin)
        step = tick(coin, self._mark(coin))
        if size > 0:
            return max(1, -(others // (size * step))) * step
        return max(1, others // (-size * step)) * step

    def deleverage(self, coin: Coin) -> None:
        """If the vault is bankrupt, close its position against the traders who profit most.

        They are ranked by return times leverage, and closed at the vault's break-even price as
        long as that still leaves them a profit.
        """
        vault = self._backstop
        size = vault.size(coin)
        if not size or self._exchange.equity(vault, coin.dex) >= 0:
            return
        price = self._break_even_price(vault, coin)
        mark = self._mark(coin)
        for account in self._profitable_against(size, coin, price)[:_DELEVERAGED_AT_MOST]:
            left = vault.size(coin)
            closed = min(abs(left), abs(account.size(coin)))
            if not closed:
                return
            self._exchange.trade(
                self._exchange.order(account, buys=left > 0),
                maker=vault,
                coin=coin,
                size=closed,
                price=price,
                label="Auto-Deleveraging",
                liquidation=Liquidation(victim=vault.address, mark_price=mark, method="backstop"),
            )
            self.deleveraging_count += 1

    def _profitable_against(self, size: int, coin: Coin, price: int) -> list[Account]:
        ranked = []
        for account in self._exchange.accounts.values():
            position = account.positions.get(coin.name)
            if position is None or not position.size or (position.size > 0) == (size > 0):
                continue
            profit = position.size * price - position.cost
            if profit > 0 and account is not self._matching.vault:
                equity = max(1, self._exchange.equity(account, coin.dex))
                score = profit * 10**9 // equity
                ranked.append((-score, account.address, account))
        return [account for _, _, account in sorted(ranked, key=lambda entry: entry[:2])]
