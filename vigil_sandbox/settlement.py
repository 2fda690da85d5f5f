"""What the exchange itself does on the clock: hourly funding, and dust conversion at midnight."""

from random import Random

from vigil_sandbox.books import Account
from vigil_sandbox.decimals import quotient
from vigil_sandbox.exchange import Exchange
from vigil_sandbox.markets import PERPS, SPOTS, TOKEN_DECIMALS, Coin
from vigil_sandbox.matching import Matching
from vigil_sandbox.prices import bell

DUST_SELLER = "0x" + "e" * 40
RATE_DECIMALS = 10
PREMIUM_DECIMALS = 9
_INTEREST = 100_000
"""0.01 % in eight hours, in 10^-9."""

_CLAMP = 500_000
_DUST_LIMIT_USD = 1


class Funding:
    """Charges every open perp position once an hour."""

    def __init__(self, exchange: Exchange, rng: Random) -> None:
        self._exchange = exchange
        self._rng = rng
        self._leanings = {coin.name: 450_000 * bell(rng) for coin in PERPS}
        self.rates: dict[str, list[tuple[int, int, int]]] = {coin.name: [] for coin in PERPS}
        """Per coin: (stamp in ms, rate in 10^-10, premium in 10^-9), oldest first."""

        self.marks: dict[str, list[int]] = {coin.name: [] for coin in PERPS}
        """The mark price each of these was charged at."""

        self.payments: dict[str, list[tuple[int, str, int, int, int]]] = {}
        """Per address: (stamp in ms, coin, 10^-6 USD received, size, rate), oldest first; a size
        counts as its coin's do, a rate 10^-10."""

    def charge(self) -> None:
        """Charge all positions as they stand at the full hour: rate times value at the mark."""
        now_ms = self._exchange.now_ms
        rates = {coin.name: self._settle(coin, now_ms) for coin in PERPS}
        marks = {coin.name: self.marks[coin.name][-1] for coin in PERPS}
        for account in self._exchange.accounts.values():
            for name, position in account.positions.items():
                if position.size:
                    coin = self._exchange.paths[name].coin
                    value = position.size * marks[name]
                    paid = quotient(value * rates[name], 10**RATE_DECIMALS)
                    account.pay_funding(coin, paid)
                    stamp = self.rates[name][-1][0]
                    payment = (stamp, name, -paid, position.size, rates[name])
                    self.payments.setdefault(account.address, []).append(payment)

    def _settle(self, coin: Coin, now_ms: int) -> int:
        premium = round(self._leanings[coin.name] + 250_000 * bell(self._rng))
        gap = _INTEREST - premium
        eight_hours = premium + max(-_CLAMP, min(_CLAMP, gap))
        # Ten decimals after the eighth part of nine.
        rate = quotient(eight_hours * 10, 8)
        self.rates[coin.name].append((now_ms + self._rng.randrange(120), rate, premium))
        self.marks[coin.name].append(self._exchange.paths[coin.name].mark(now_ms))
        return rate


def convert_dust(exchange: Exchange, matching: Matching, seller: Account) -> int:
    """Convert every spot balance worth less than a dollar, and give the number of legs.

    As on the exchange, the sale of the sum stands first in the block and the single legs
    follow, all under the sale's order id. What is below one lot stays with the seller.
    """
    leg_count = 0
    for coin in SPOTS:
        price = matching.price(coin, buys=False)
        holders = [
            account
            for account in exchange.accounts.values()
            if account is not seller and _is_dust(account, coin, price)
        ]
        if not holders:
            continue
        order = exchange.order(seller, buys=False, is_system=True)
        for account in holders:
            units = account.balance(coin.base_token)
            seller.apply_spot_units(
                coin, units, units * price // 10**coin.price_decimals, 0, "USDC"
            )
        lots = seller.spot_lots(coin)
        if lots:
            exchange.trade(order, maker=matching.spot_dealers[0], coin=coin, size=lots, price=price)
        for account in holders:
            exchange.convert_dust(order, account, coin, price)
        leg_count += len(holders)
    return leg_count


def _is_dust(account: Account, coin: Coin, price: int) -> bool:
    units = account.balance(coin.base_token)
    value = units * price
    return units > 0 and value < _DUST_LIMIT_USD * 10 ** (TOKEN_DECIMALS + coin.price_decimals)
