"""What is traded in a simulated world, and in which units.

Sizes and prices are integers: a size counts 10^-`size_decimals` coins, a price counts
10^-`price_decimals` USD. The exchange ties the two scales together, so size times price is an
exact count of 10^-`money_decimals` USD and no trade ever needs rounding.
"""

from dataclasses import dataclass
from typing import Literal

_POWERS: tuple[int, ...] = tuple(10**exponent for exponent in range(19))

TOKEN_DECIMALS = 8
"""Spot balances count 10^-8 of their token, whatever the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """One market."""

    name: str
    size_decimals: int
    first_price: float
    day_volatility: float
    """Standard deviation of one day's return, as a fraction."""

    half_spread: int
    """Distance of a resting order from the mid price, in 10^-5 of it."""

    kind: Literal["perp", "spot"] = "perp"
    dex: str = ""
    """Which clearing house margins a perp: empty for the core one, else the builder's."""

    collateral: str = "USDC"
    base_token: str = ""
    """The token a spot buyer receives; empty for a perp."""

    max_leverage: int = 10
    follows: str = ""
    """The perp whose price this coin shares, where there is one."""

    @property
    def price_decimals(self) -> int:
        return self.money_decimals - self.size_decimals

    @property
    def money_decimals(self) -> int:
        return 8 if self.kind == "spot" else 6

    def size_of(self, notional_usd: int, price: int) -> int:
        """The size that is worth about `notional_usd` whole dollars, at least the smallest."""
        return max(1, notional_usd * _POWERS[self.money_decimals] // price)

    def token_units(self, size: int) -> int:
        """A spot size in 10^-8 tokens."""
        return size * _POWERS[TOKEN_DECIMALS - self.size_decimals]


def tick(coin: Coin, price: int) -> int:
    """The smallest price step: five significant figures, but never coarser than 1 USD."""
    return min(_POWERS[max(0, len(str(price)) - 5)], _POWERS[coin.price_decimals])


def _perp(
    name: str,
    size_decimals: int,
    price: float,
    volatility: float,
    spread: int,
    leverage: int,
) -> Coin:
    return Coin(
        name=name,
        size_decimals=size_decimals,
        first_price=price,
        day_volatility=volatility,
        half_spread=spread,
        max_leverage=leverage,
    )


COINS: tuple[Coin, ...] = (
    _perp("BTC", 5, 108_600.0, 0.025, 4, 40),
    _perp("ETH", 4, 4_390.0, 0.038, 6, 25),
    _perp("SOL", 2, 200.4, 0.045, 8, 20),
    _perp("HYPE", 2, 43.8, 0.055, 10, 10),
    _perp("XRP", 0, 2.78, 0.042, 10, 20),
    _perp("DOGE", 0, 0.2131, 0.05, 12, 10),
    _perp("AVAX", 2, 23.6, 0.05, 15, 10),
    _perp("LINK", 1, 23.3, 0.05, 12, 10),
    _perp("SUI", 1, 3.27, 0.055, 12, 10),
    _perp("ARB", 1, 0.502, 0.055, 18, 10),
    _perp("OP", 1, 0.701, 0.055, 18, 10),
    _perp("WLD", 1, 0.884, 0.06, 18, 10),
    _perp("ENA", 0, 0.661, 0.06, 18, 10),
    _perp("FARTCOIN", 1, 0.772, 0.075, 20, 10),
    _perp("TIA", 1, 1.66, 0.058, 18, 10),
    _perp("NEAR", 1, 2.44, 0.052, 15, 10),
    _perp("AAVE", 2, 318.0, 0.05, 12, 10),
    _perp("LTC", 2, 110.6, 0.038, 12, 10),
    _perp("SEI", 0, 0.287, 0.055, 18, 10),
    _perp("PUMP", 0, 0.003512, 0.08, 22, 5),
    _perp("kPEPE", 0, 0.009874, 0.065, 15, 10),
    _perp("kBONK", 0, 0.02079, 0.065, 18, 10),
    Coin(
        name="xyz:TSLA", size_decimals=3, first_price=334.2, day_volatility=0.03,
        half_spread=20, dex="xyz", max_leverage=10,
    ),
    Coin(
        name="km:US500", size_decimals=3, first_price=6_461.0, day_volatility=0.012,
        half_spread=12, dex="km", collateral="USDH", max_leverage=20,
    ),
    Coin(
        name="@107", size_decimals=2, first_price=43.8, day_volatility=0.055,
        half_spread=15, kind="spot", base_token="HYPE", follows="HYPE",
    ),
    Coin(
        name="@142", size_decimals=5, first_price=108_600.0, day_volatility=0.025,
        half_spread=10, kind="spot", base_token="UBTC", follows="BTC",
    ),
    Coin(
        name="PURR/USDC", size_decimals=0, first_price=0.18214, day_volatility=0.05,
        half_spread=30, kind="spot", base_token="PURR",
    ),
)  # fmt: skip

COIN_BY_NAME: dict[str, Coin] = {coin.name: coin for coin in COINS}
PERPS: tuple[Coin, ...] = tuple(coin for coin in COINS if coin.kind == "perp")
CORE_PERPS: tuple[Coin, ...] = tuple(coin for coin in PERPS if coin.dex == "")
SPOTS: tuple[Coin, ...] = tuple(coin for coin in COINS if coin.kind == "spot")

CRASH_COIN = COIN_BY_NAME["AVAX"]
"""The coin whose price falls at once, so that the backstop and deleveraging have to act."""
