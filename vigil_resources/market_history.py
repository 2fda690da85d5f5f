"""What the trades of a UTC day were, for every perp: candles, flow, volume, liquidations."""

import time
from datetime import date
from decimal import Decimal
from itertools import pairwise

import polars as pl

from vigil_core.artemis.tape import candles, flow, liquidation_events, trades
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_core.fills.schema import MONEY
from vigil_core.fills.source_keys import hours_of_day
from vigil_resources.artemis_tables import ArtemisTables, fingerprint
from vigil_resources.lake import DayOfLake, Lake

RELATIONS = ("candles", "volume_history", "trade_flow_history", "liquidation_events")

INTERVALS = {"1m": 60_000, "5m": 300_000}

VAULTS = (
    "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14",
    "0xb0a55f13d22f66e6d495ac98113841b2326e9540",
)
"""The exchange's own: what they unload was counted when they took it over."""

_VERSION = "1"
"""Changes with the rules, so that every day is stale."""

_COLUMNS = [
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
    """Builds the days of `RELATIONS` from the lake's fills."""

    def __init__(self, lake: Lake, tables: ArtemisTables) -> None:
        self._lake = lake
        self._tables = tables

    def is_current(self, day: date) -> bool:
        """Whether the day was made of what the lake, and the day before it, hold now."""
        return self._tables.built_from(RELATIONS[0], day) == self._fingerprint(
            self._lake.day(day), day
        )

    def build(self, day: date) -> dict[str, int]:
        """Rebuild the day; gives the rows of each relation.

        A coin that is not traded for a while is flat at its last close; the first minutes of a
        day go on from the day before, if that is built.

        Raises:
            LakeIncomplete: The lake lacks the day, or a part of it.
        """
        began = time.monotonic()
        content = self._lake.day(day)
        start = day_start_ms(day)
        end = start + DAY_MS
        legs = self._lake.rows(content, _COLUMNS)
        tape = trades(legs)
        covered = covered_spans(content)
        closes = self._closes_before(day)
        coins = {*tape["coin"].unique(), *closes["coin"]}
        buckets = flow(tape, start, end, covered, coins)
        frames = {
            "candles": pl.concat(
                candles(tape, length, start, end, covered, _of_interval(closes, name)).with_columns(
                    pl.lit(name).alias("interval"), pl.lit("fills").alias("source")
                )
                for name, length in INTERVALS.items()
            ),
            "volume_history": buckets.drop("buy_volume_usd", "sell_volume_usd"),
            "trade_flow_history": buckets.select(
                "coin", "recorded_at", "buy_volume_usd", "sell_volume_usd"
            ),
            "liquidation_events": liquidation_events(legs, VAULTS).with_columns(
                pl.col("via_adl").fill_null(value=False)
            ),
        }
        details = {"trades": tape.height, "coins": len(coins), "covered": covered}
        self._tables.replace_day(day, frames, self._fingerprint(content, day), began, details)
        return {relation: frame.height for relation, frame in frames.items()}

    def _closes_before(self, day: date) -> pl.DataFrame:
        return self._tables.read("artemis/closes_before", _CLOSES, day=day_start_ms(day))

    def _fingerprint(self, content: DayOfLake, day: date) -> str:
        closes = self._closes_before(day).rows()
        return fingerprint(_VERSION, VAULTS, content.version, closes)


def covered_spans(content: DayOfLake) -> list[tuple[int, int]]:
    """The hours of the day all of whose fills are there, [from, to) in ms.

    The first rows of an hour's object may be of the hour before, so an hour is covered when its
    object and the next one are there.
    """
    start = day_start_ms(content.day)
    hours = [hour.file_id not in content.awaits for hour in hours_of_day(content.day)]
    return [
        (start + number * HOUR_MS, start + (number + 1) * HOUR_MS)
        for number, (there, next_there) in enumerate(pairwise(hours))
        if there and next_there
    ]


def _of_interval(closes: pl.DataFrame, interval: str) -> dict[str, Decimal]:
    known = closes.filter(pl.col("interval") == interval).drop_nulls("close")
    return dict(known.select("coin", "close").iter_rows())
