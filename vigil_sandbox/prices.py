"""Where prices go: one path of minutes per coin, fixed before anyone trades.

Only addition, multiplication and division are used on floats. Those are exact to the last bit
on every machine, while logarithms and cosines (hence `Random.gauss`) differ between libraries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from vigil_sandbox.markets import COINS, CRASH_COIN, Coin

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

_SQRT_3 = 1.7320508075688772
_SQRT_24 = 4.898979485566356
_SQRT_1440 = 37.94733192202055

_DRIFT_SHARE = 0.75
"""How much of a day's volatility lies in the hourly drifts, which a skilled trader sees."""

_NOISE_SHARE = 0.66
"""The rest: minute noise nobody sees. The two squares add up to about one."""

_CRASH_FACTOR = 0.84
_RECOVERY_MINUTES = 240
_RECOVERED_FACTOR = 0.93


def bell(rng: Random) -> float:
    """A draw with mean 0 and variance 1, bell-shaped, never beyond 3.5."""
    return (rng.random() + rng.random() + rng.random() + rng.random() - 2.0) * _SQRT_3


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePath:
    """The mid price of one coin over the world's whole time."""

    coin: Coin
    start_ms: int
    minute_prices: list[int]
    """Price at the start of each minute, in the coin's price units."""

    hour_drifts: list[float]
    """Return that the hour tends to bring, before noise."""

    def mark(self, time_ms: int) -> int:
        """The mark price: the mid at the start of the running minute."""
        return self.minute_prices[(time_ms - self.start_ms) // MINUTE_MS]

    def mid(self, time_ms: int) -> int:
        """The mid price, on a straight line between two minutes."""
        minute, rest = divmod(time_ms - self.start_ms, MINUTE_MS)
        before = self.minute_prices[minute]
        return before + (self.minute_prices[minute + 1] - before) * rest // MINUTE_MS

    def drift(self, time_ms: int, hour_count: int) -> float:
        """What the next `hour_count` hours tend to bring, counted from the running hour."""
        hour = (time_ms - self.start_ms) // HOUR_MS
        return sum(self.hour_drifts[hour : hour + hour_count])


def price_paths(
    *, seed: int, start_ms: int, day_count: int, crash_minute: int, has_drift: bool = True
) -> Mapping[str, PricePath]:
    """One path per coin, in the order of `COINS`.

    Without drift all volatility is minute noise: the past of a path says nothing about its future.
    """
    paths: dict[str, PricePath] = {}
    for coin in COINS:
        if coin.follows:
            paths[coin.name] = _rescaled(paths[coin.follows], coin)
        else:
            crash = crash_minute if coin is CRASH_COIN else None
            rng = Random(f"{seed}/prices/{coin.name}")  # nosec B311 # a world repeats by its seed
            paths[coin.name] = _path(rng, coin, start_ms, day_count, crash, has_drift)
    return paths


def _path(
    rng: Random,
    coin: Coin,
    start_ms: int,
    day_count: int,
    crash_minute: int | None,
    has_drift: bool,
) -> PricePath:
    drift_share, noise_share = (_DRIFT_SHARE, _NOISE_SHARE) if has_drift else (0.0, 1.0)
    drift_scale = coin.day_volatility * drift_share / _SQRT_24
    noise_scale = coin.day_volatility * noise_share / _SQRT_1440
    scale = 10**coin.price_decimals
    drifts = [drift_scale * bell(rng) for _ in range(day_count * 24 + 1)]

    prices = []
    price = coin.first_price
    for minute in range(day_count * 1440 + 2):
        factor = 1.0 if crash_minute is None else _crash_factor(minute - crash_minute)
        prices.append(max(1, round(price * factor * scale)))
        price *= 1.0 + drifts[minute // 60] / 60.0 + noise_scale * bell(rng)
    return PricePath(coin=coin, start_ms=start_ms, minute_prices=prices, hour_drifts=drifts)


def _crash_factor(minutes_since: int) -> float:
    if minutes_since < 0:
        return 1.0
    recovered = min(minutes_since / _RECOVERY_MINUTES, 1.0)
    return _CRASH_FACTOR + (_RECOVERED_FACTOR - _CRASH_FACTOR) * recovered


def _rescaled(path: PricePath, coin: Coin) -> PricePath:
    gain = coin.price_decimals - path.coin.price_decimals
    prices = [price * 10**gain for price in path.minute_prices]
    return PricePath(
        coin=coin,
        start_ms=path.start_ms,
        minute_prices=prices,
        hour_drifts=path.hour_drifts,
    )
