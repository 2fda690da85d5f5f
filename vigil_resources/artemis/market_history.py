"""What the trades of a UTC day were, for every perp: candles, flow, volume, liquidations."""

import time
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
from psycopg import sql

from vigil_core.artemis.candle_comparison import compare_candles
from vigil_core.artemis.tape import (
    LIQUIDATION_SCHEMA,
    flow_and_candles,
    liquidation_events,
    trades,
)
from vigil_core.calendar import DAY_MS, HOURS_PER_DAY, day_start_ms
from vigil_core.fills.schema import MONEY
from vigil_resources.artemis.fills_of_day import FillsByDay, FillsOfDay
from vigil_resources.database.day_tables import DayTables, fingerprint
from vigil_resources.exchange.answers import CANDLE_SCHEMA
from vigil_resources.exchange.cache import ExchangeCache
from vigil_resources.exchange.errors import ExchangeSilent

RELATIONS = ("candles", "volume_history", "trade_flow_history", "liquidation_events")

INTERVALS = {"1m": 60_000, "5m": 300_000}

VAULTS = (
    "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14",
    "0xb0a55f13d22f66e6d495ac98113841b2326e9540",
)
"""The exchange's own: what they unload was counted when they took it over."""

_VERSION = "2"
"""Changes with the rules, so that every day is stale."""

COLUMNS = [
    "time",
    "user_address",
    "coin",
    "px",
    "sz",
    "side",
    "dir",
    "crossed",
    "tid",
    "liquidation",
    "block_number",
    "event_index",
]
_CLOSES = {"coin": pl.String(), "interval": pl.String(), "close": MONEY}


class MarketHistory:
    """Builds the days of `RELATIONS` from fills.

    Args:
        fills: Of each day.
        tables: Where the rows go.
        exchange: Asked for candles of hours whose fills are missing; None if it is not to be.
        coins: Of which it is asked; None if there was no choice: then only to compare.
        vaults: Of the exchange, whose liquidations are no events.
    """

    def __init__(
        self,
        fills: FillsByDay,
        tables: DayTables,
        exchange: ExchangeCache | None = None,
        coins: tuple[str, ...] | None = None,
        vaults: tuple[str, ...] = VAULTS,
    ) -> None:
        self._fills = fills
        self._tables = tables
        self._exchange = exchange
        self._coins = coins
        self._vaults = vaults

    def is_current(self, day: date) -> bool:
        """Whether the day was made of what the lake, and the day before it, hold now."""
        content = self._fills.day(day)
        built_from = self._fingerprint(content, day, self._askable(content, day))
        return self._tables.built_from(RELATIONS[0], day) == built_from

    def build(self, day: date) -> dict[str, int]:
        """Rebuild the day; gives the rows of each relation.

        A coin that is not traded for a while is flat at its last close; the first minutes of a
        day go on from the day before, if that is built. Candles of hours whose fills are missing
        are the exchange's, where it still has them. If it does not answer there are none, and
        the day stays stale.

        Raises:
            LakeIncomplete: The lake lacks the day, or a part of it.
            ExchangeRefused, UnexpectedAnswer: As `ExchangeApi` does.
        """
        began = time.monotonic()
        content = self._fills.day(day)
        start = day_start_ms(day)
        end = start + DAY_MS
        legs = content.read(COLUMNS)
        tape = trades(legs)
        covered = content.covered
        closes = self._closes_before(day)
        coins = {*tape["coin"].unique(), *closes["coin"]}
        before = {length: _of_interval(closes, name) for name, length in INTERVALS.items()}
        buckets, built = flow_and_candles(tape, start, end, covered, before, coins)
        own = pl.concat(
            built[length].with_columns(
                pl.lit(name).alias("interval"), pl.lit("fills").alias("source")
            )
            for name, length in INTERVALS.items()
        )
        details = {
            "trades": tape.height,
            "coins": len(coins),
            "covered": covered,
            # Without the column nothing is known, which is not the same as no liquidation.
            "covered_liquidations": covered if "liquidation" in legs.columns else [],
        }
        asked = self._askable(content, day)
        try:
            theirs = [self._asked_for(coin, name, day) for coin, name in asked]
        except ExchangeSilent as error:
            asked, theirs, details["exchange"] = [], [], str(error)
        frames = {
            "candles": _where_missing(own, theirs),
            "volume_history": buckets.drop("buy_volume_usd", "sell_volume_usd"),
            "trade_flow_history": buckets.select(
                "coin", "recorded_at", "buy_volume_usd", "sell_volume_usd"
            ),
            "liquidation_events": self._liquidations(legs),
        }
        built_from = self._fingerprint(content, day, asked)
        self._tables.replace_day(day, frames, built_from, began, details)
        return {relation: frame.height for relation, frame in frames.items()}

    def _liquidations(self, legs: pl.DataFrame) -> pl.DataFrame:
        if "liquidation" not in legs.columns:
            return pl.DataFrame(schema=LIQUIDATION_SCHEMA)
        events = liquidation_events(legs, self._vaults)
        return events.with_columns(pl.col("via_adl").fill_null(value=False))

    def _closes_before(self, day: date) -> pl.DataFrame:
        return self._tables.read("artemis/closes_before", _CLOSES, day=day_start_ms(day))

    def compare(self, day: date) -> list[dict[str, Any]]:
        """How the candles of our fills differ from the exchange's own, by coin and interval.

        Nothing where it has none of the day, or is not to be asked.
        """
        bounds = {"start": day_start_ms(day), "end": day_start_ms(day) + DAY_MS}
        found = []
        for coin, interval in self._available(self._tables.coins(self._coins, day), day):
            names = {"coin": sql.Literal(coin), "interval": sql.Literal(interval)}
            ours = self._tables.read(
                "artemis/fill_candles_between", CANDLE_SCHEMA, **names, **bounds
            )
            theirs = self._asked_for(coin, interval, day)
            found.append({"coin": coin, "interval": interval, **compare_candles(ours, theirs)})
        return found

    def _available(self, coins: Iterable[str], day: date) -> list[tuple[str, str]]:
        """Coins and intervals of which the exchange's candles of the day can be had."""
        exchange = self._exchange
        if exchange is None:
            return []
        pairs = [(coin, interval) for coin in coins for interval in INTERVALS]
        return [pair for pair in pairs if exchange.has_candles(*pair, day)]

    def _askable(self, content: FillsOfDay, day: date) -> list[tuple[str, str]]:
        """The same of the chosen coins, if fills of the day are missing."""
        is_whole = len(content.covered) == HOURS_PER_DAY
        return [] if is_whole else self._available(self._coins or (), day)

    def _asked_for(self, coin: str, interval: str, day: date) -> pl.DataFrame:
        assert self._exchange is not None
        rows = self._exchange.candles(coin, interval, day, day).rows
        return rows.with_columns(
            pl.lit(coin).alias("coin"),
            pl.lit(interval).alias("interval"),
            pl.lit("api").alias("source"),
            (pl.col("trades") == 0).alias("filled"),
        )

    def _fingerprint(self, content: FillsOfDay, day: date, asked: list[tuple[str, str]]) -> str:
        return fingerprint(
            _VERSION, self._vaults, content.version, self._closes_before(day).rows(), asked
        )


def _where_missing(own: pl.DataFrame, theirs: list[pl.DataFrame]) -> pl.DataFrame:
    """Candles of our own fills, and the exchange's where there are none."""
    key = ["coin", "interval", "open_time"]
    others = [rows.join(own, on=key, how="anti").select(own.columns) for rows in theirs]
    return pl.concat([own, *others]).sort(key)


def _of_interval(closes: pl.DataFrame, interval: str) -> dict[str, Decimal]:
    known = closes.filter(pl.col("interval") == interval).drop_nulls("close")
    return dict(known.select("coin", "close").iter_rows())
