"""Settled funding rates of a UTC day, from the exchange's API by way of the lake."""

import time
from datetime import UTC, date, datetime

import polars as pl

from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.fills.schema import MONEY
from vigil_resources.database.day_tables import DayTables, fingerprint
from vigil_resources.exchange.cache import FINAL_AFTER_MS, ExchangeCache

RELATION = "funding_history"

_ROWS: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "time": pl.Int64(),
    "rate": MONEY,
    "premium": MONEY,
    "source": pl.String(),
}


class FundingHistory:
    """Builds the days of `funding_history` for the coins that have snapshots."""

    def __init__(
        self, cache: ExchangeCache, tables: DayTables, coins: tuple[str, ...] | None
    ) -> None:
        self._cache = cache
        self._tables = tables
        self._coins = coins

    def is_current(self, day: date) -> bool:
        """Whether the day was asked for, of these coins, after it was over."""
        return self._tables.built_from(RELATION, day) == self._fingerprint(day)

    def build(self, day: date) -> int:
        """Rebuild the day; gives its rates. A day that the lake holds asks nothing."""
        began = time.monotonic()
        frames = [pl.DataFrame(schema=_ROWS)]
        for coin in self._tables.coins(self._coins, day):
            rates = self._cache.funding(coin, day, day)
            frames.append(
                rates.select(
                    pl.lit(coin).alias("coin"),
                    "time",
                    pl.col("rate").cast(MONEY),
                    pl.col("premium").cast(MONEY),
                    pl.lit("api").alias("source"),
                )
            )
        rows = pl.concat(frames)
        self._tables.replace_day(day, {RELATION: rows}, self._fingerprint(day), began)
        return rows.height

    def _fingerprint(self, day: date) -> str:
        ended = day_start_ms(day) + DAY_MS + FINAL_AFTER_MS
        now = datetime.now(UTC).timestamp() * 1000
        # A day that is not over is asked for again each time.
        state = "final" if now >= ended else str(now)
        return fingerprint(self._tables.coins(self._coins, day), state)
