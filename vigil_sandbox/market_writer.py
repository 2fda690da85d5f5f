"""Candles, funding rates and transfers, in the form of the exchange's info API."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from vigil_sandbox.decimals import text
from vigil_sandbox.markets import COIN_BY_NAME, COINS, Coin
from vigil_sandbox.prices import DAY_MS, MINUTE_MS
from vigil_sandbox.settlement import PREMIUM_DECIMALS, RATE_DECIMALS
from vigil_sandbox.tape import Trade

_NO_HASH = "0x" + "0" * 64
"""Funding is settled by no transaction."""


class Candle:
    """One minute of one coin."""

    __slots__ = ("close", "high", "low", "open", "trade_count", "volume")

    def __init__(self, price: int) -> None:
        self.open = self.high = self.low = self.close = price
        self.volume = 0
        self.trade_count = 0

    def add(self, price: int, size: int) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += size
        self.trade_count += 1


class CandleBook:
    """Collects one-minute candles. A minute without a trade has none."""

    def __init__(self) -> None:
        self._candles: dict[str, dict[int, Candle]] = {coin.name: {} for coin in COINS}

    def record(self, trade: Trade, time_ms: int) -> None:
        """Count a trade once. Dust conversions have no second side and are none."""
        if trade.buyer is None:
            return
        candles = self._candles[trade.coin.name]
        minute_ms = time_ms - time_ms % MINUTE_MS
        candle = candles.get(minute_ms)
        if candle is None:
            candle = candles[minute_ms] = Candle(trade.price)
        candle.add(trade.price, trade.size)

    def write(self, root: Path, days_ms: Sequence[int]) -> None:
        """Write `api/candles/<coin>/1m/YYYYMMDD.json`, one list per coin and day."""
        for coin in COINS:
            days: dict[int, list[dict[str, object]]] = {day_ms: [] for day_ms in days_ms}
            for minute_ms, candle in sorted(self._candles[coin.name].items()):
                row = _candle_row(coin, minute_ms, candle)
                days[minute_ms - minute_ms % DAY_MS].append(row)
            folder = root / "api" / "candles" / file_name(coin.name) / "1m"
            for day_ms, rows in days.items():
                write_json(folder / f"{_day_name(day_ms)}.json", rows)


def _candle_row(coin: Coin, minute_ms: int, candle: Candle) -> dict[str, object]:
    decimals = coin.price_decimals
    return {
        "t": minute_ms,
        "T": minute_ms + MINUTE_MS - 1,
        "s": coin.name,
        "i": "1m",
        "o": text(candle.open, decimals),
        "c": text(candle.close, decimals),
        "h": text(candle.high, decimals),
        "l": text(candle.low, decimals),
        "v": text(candle.volume, coin.size_decimals),
        "n": candle.trade_count,
    }


def write_funding(
    root: Path,
    rates: Mapping[str, Sequence[tuple[int, int, int]]],
    days_ms: Sequence[int],
) -> None:
    """Write `api/funding/<coin>/YYYYMMDD.json`, one list of hourly rates per perp and day."""
    for name, coin_rates in rates.items():
        days: dict[int, list[dict[str, object]]] = {day_ms: [] for day_ms in days_ms}
        for time_ms, rate, premium in coin_rates:
            days[time_ms - time_ms % DAY_MS].append(
                {
                    "coin": name,
                    "fundingRate": text(rate, RATE_DECIMALS),
                    "premium": text(premium, PREMIUM_DECIMALS),
                    "time": time_ms,
                }
            )
        for day_ms, rows in days.items():
            path = root / "api" / "funding" / file_name(name) / f"{_day_name(day_ms)}.json"
            write_json(path, rows)


def write_user_funding(
    root: Path, payments: Mapping[str, Sequence[tuple[int, str, int, int, int]]]
) -> None:
    """Write `api/user_funding/<address>.json`: what each account paid and received, by the hour."""
    for address, rows in payments.items():
        listed = [
            {
                "time": time_ms,
                "hash": _NO_HASH,
                "delta": {
                    "type": "funding",
                    "coin": name,
                    "usdc": text(usd, 6),
                    "szi": text(size, COIN_BY_NAME[name].size_decimals),
                    "fundingRate": text(rate, RATE_DECIMALS),
                    "nSamples": None,
                },
            }
            for time_ms, name, usd, size, rate in sorted(rows)
        ]
        write_json(root / "api" / "user_funding" / f"{address}.json", listed)


def file_name(coin_name: str) -> str:
    """A coin's name with `:`, `/`, `@` and `#` percent-encoded.

    >>> file_name("PURR/USDC"), file_name("@107"), file_name("kPEPE")
    ('PURR%2FUSDC', '%40107', 'kPEPE')
    """
    return quote(coin_name, safe="")


def write_json(path: Path, value: object) -> None:
    """Compact UTF-8 JSON with a line feed at its end; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")


def _day_name(day_ms: int) -> str:
    return f"{datetime.fromtimestamp(day_ms // 1000, UTC):%Y%m%d}"
