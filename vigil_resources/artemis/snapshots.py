"""Five-minute snapshots of a UTC day, and what came after them."""

import time
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from psycopg import sql

from vigil_core.artemis.features import SCHEMA as FEATURE_COLUMNS
from vigil_core.artemis.features import TABLES, MarketTables, features
from vigil_core.artemis.labels import SCHEMA as LABEL_COLUMNS
from vigil_core.artemis.labels import labels
from vigil_core.artemis.parameters import (
    DEFAULT,
    LONGEST_HORIZON_MS,
    SNAPSHOTS_PER_DAY,
    STEP_MS,
    Parameters,
)
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_core.fills.schema import MONEY
from vigil_resources.database.day_tables import DayTables, fingerprint
from vigil_resources.files.perp_balances import PerpBalances

FEATURES, LABELS = "feature_snapshots", "snapshot_labels"

BACKFILL = "backfill"
"""`origin` of rows that were computed after the fact."""

_REACH_DAYS = {"funding": 30, "oi": 8}
_CANDLE = {
    "open_time": pl.Int64(),
    "open": MONEY,
    "high": MONEY,
    "low": MONEY,
    "close": MONEY,
    "filled": pl.Boolean(),
}
_SPAN = {"start": pl.Int64(), "end": pl.Int64()}
_INPUTS = [
    "candles",
    "volume_history",
    "liquidation_events",
    "oi_history",
    "funding_history",
    "wallet_profiles",
]


class Snapshots:
    """Builds the days of `feature_snapshots` and `snapshot_labels`.

    Args:
        tables: Where the inputs are and the rows go.
        balances: Positions and their liquidation prices, in the lake.
        coins: Of which there are snapshots; None for every perp traded on the day.
        parameters: Windows, limits and thresholds.
    """

    def __init__(
        self,
        tables: DayTables,
        balances: PerpBalances,
        coins: tuple[str, ...] | None,
        parameters: Parameters = DEFAULT,
    ) -> None:
        self._tables = tables
        self._balances = balances
        self._coins = coins
        self._parameters = parameters

    def is_current(self, relation: str, day: date) -> bool:
        """Whether the day was made of what the tables and the lake hold now."""
        return self._tables.built_from(relation, day) == self._fingerprint(relation, day)

    def build_features(self, day: date) -> pl.DataFrame:
        """Rebuild the day's 288 rows per coin, from what was known before each instant."""
        began, built_from = time.monotonic(), self._fingerprint(FEATURES, day)
        of_all = self._of_all_coins(day)
        rows = [
            features(self._market(coin, day, of_all), coin, _grid(day), self._parameters)
            for coin in self._tables.coins(self._coins, day)
        ]
        frame = pl.concat([pl.DataFrame(schema=FEATURE_COLUMNS), *rows])
        frame = frame.with_columns(pl.lit(BACKFILL).alias("origin"))
        self._tables.replace_day(day, {FEATURES: frame}, built_from, began)
        return frame

    def build_labels(self, day: date) -> pl.DataFrame:
        """Rebuild the day's labels; those whose candles are still to come are pending.

        A day without snapshots has none: the first day's candles reach back to the one before it.
        """
        empty = pl.DataFrame(schema={"coin": pl.String(), **LABEL_COLUMNS})
        if self._tables.built_from(FEATURES, day) is None:
            return empty
        began, built_from = time.monotonic(), self._fingerprint(LABELS, day)
        start = day_start_ms(day)
        bounds = {"start": start - STEP_MS, "end": start + DAY_MS + LONGEST_HORIZON_MS}
        spans = self._covered("candles", "covered", start=start, end=start + 2 * DAY_MS)
        known_until = max(spans["end"].to_list(), default=start)
        most = self._max_leverage(day)
        rows = [
            labels(
                self._candles(coin, "5m", **bounds).select("open_time", "high", "low", "close"),
                self._candles(coin, "1m", **bounds),
                _grid(day),
                known_until,
                self._parameters,
                most.get(coin),
            ).select(pl.lit(coin).alias("coin"), pl.all())
            for coin in self._tables.coins(self._coins, day)
        ]
        frame = pl.concat([empty, *rows])
        counts = frame["label_status"].value_counts().rows()
        self._tables.replace_day(day, {LABELS: frame}, built_from, began, {"status": dict(counts)})
        return frame

    def _of_all_coins(self, day: date) -> MarketTables:
        """What the snapshots of all coins look at: coverage, balances, bots, buckets of zeros."""
        start = day_start_ms(day)
        days = {"start": start - 2 * DAY_MS, "end": start + DAY_MS}
        taken, positions = self._positions(day)
        bots = self._tables.read("artemis/known_bots", {"address": pl.String()}, start=start)
        return MarketTables(
            flow=self._no_flow(start - DAY_MS - 3 * HOUR_MS, start + DAY_MS),
            liquidations_covered=self._covered("candles", "covered_liquidations", **days),
            fills_covered=self._covered("oi_history", "covered", **days),
            balances=taken,
            positions=positions,
            bots=bots.select(pl.lit(start).alias("as_of"), "address"),
        )

    def _market(self, coin: str, day: date, of_all: MarketTables) -> MarketTables:
        """All that one coin's snapshots of a day may look at, and nothing after the day."""
        start = day_start_ms(day)
        end = start + DAY_MS
        day_before = {"start": start - DAY_MS - 3 * HOUR_MS, "end": end}
        oi = {"start": start - _REACH_DAYS["oi"] * DAY_MS, "end": end}
        funding = {"start": start - (_REACH_DAYS["funding"] + 1) * DAY_MS, "end": end}
        held = of_all.positions.filter(pl.col("coin") == coin)
        flow = self._read("flow", "artemis/flow_between", coin, day_before)
        # A covered bucket in which nobody traded, on whatever day, is of zeros.
        quiet = of_all.flow.join(flow, on="recorded_at", how="anti")
        return replace(
            of_all,
            candles_1m=self._candles(coin, "1m", **day_before).select("open_time", "close"),
            candles_5m=self._candles(coin, "5m", **day_before).select(
                "open_time", "high", "low", "close"
            ),
            flow=pl.concat([flow, quiet], how="vertical_relaxed").sort("recorded_at"),
            liquidations=self._read(
                "liquidations", "artemis/liquidations_between", coin, day_before
            ),
            oi=self._read("oi", "artemis/oi_between", coin, oi),
            oi_changes=self._tables.read(
                "artemis/oi_changes_between",
                {"start_at": pl.Int64(), "end_at": pl.Int64(), "change_base": MONEY},
                coin=sql.Literal(coin),
                **day_before,
            ).rename({"start_at": "start", "end_at": "end"}),
            funding=self._read("funding", "artemis/funding_between", coin, funding),
            positions=held.select(list(TABLES["positions"])),
        )

    def _no_flow(self, start: int, end: int) -> pl.DataFrame:
        """A bucket of zeros for each covered five minutes."""
        spans = self._covered("candles", "covered", start=start - DAY_MS, end=end).iter_rows()
        marks = [at for first, last in spans for at in range(first, last, STEP_MS)]
        zeros = [pl.lit(Decimal(0), MONEY).alias(name) for name in TABLES["flow"]][1:]
        return (
            pl.DataFrame({"recorded_at": marks}, schema={"recorded_at": pl.Int64})
            .filter(pl.col("recorded_at") >= start, pl.col("recorded_at") < end)
            .with_columns(zeros)
        )

    def _read(self, table: str, statement: str, coin: str, bounds: dict[str, int]) -> pl.DataFrame:
        return self._tables.read(statement, TABLES[table], coin=sql.Literal(coin), **bounds)

    def _candles(self, coin: str, interval: str, *, start: int, end: int) -> pl.DataFrame:
        names = {"coin": sql.Literal(coin), "interval": sql.Literal(interval)}
        return self._tables.read("artemis/candles_between", _CANDLE, start=start, end=end, **names)

    def _covered(self, relation: str, name: str, *, start: int, end: int) -> pl.DataFrame:
        names = {"relation": sql.Literal(relation), "name": sql.Literal(name)}
        return self._tables.read("artemis/covered_days", _SPAN, start=start, end=end, **names)

    def _positions(self, day: date) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The balances snapshots of the day and the one before, and who held what in them."""
        taken, held = [], []
        for one in (day - timedelta(days=1), day):
            entry = self._balances.finished(one)
            if entry is not None:
                recorded = pl.lit(entry.recorded_at).alias("recorded_at")
                taken.append(pl.DataFrame({"recorded_at": [entry.recorded_at]}))
                rows = self._balances.positions(one).with_columns(recorded)
                held.append(rows.select("coin", *TABLES["positions"]))
        none = pl.DataFrame(schema={"coin": pl.String(), **TABLES["positions"]})
        return pl.concat([MarketTables().balances, *taken]), pl.concat([none, *held])

    def _max_leverage(self, day: date) -> dict[str, int]:
        """Of the coins held on the day, or else on the one before, as their positions say."""
        found: dict[str, int] = {}
        for one in (day - timedelta(days=1), day):
            if self._balances.finished(one) is not None:
                rows = self._balances.positions(one).drop_nulls("max_leverage")
                found |= dict(rows.group_by("coin").agg(pl.col("max_leverage").max()).iter_rows())
        return found

    def _fingerprint(self, relation: str, day: date) -> str:
        start = day_start_ms(day)
        if relation == LABELS:
            # The entry is the close before midnight; the last horizons end in the day after.
            version, inputs = self._parameters.label_version, ["candles"]
            first, end = start - DAY_MS, start + 2 * DAY_MS
        else:
            version, inputs = self._parameters.feature_version, _INPUTS
            first, end = start - 31 * DAY_MS, start + DAY_MS
        states = self._tables.states(inputs, first, end)
        balances = [self._balances.version(day - timedelta(days=n)) for n in range(2)]
        return fingerprint(self._tables.coins(self._coins, day), states, version, balances)


def _grid(day: date) -> np.ndarray[Any, np.dtype[np.int64]]:
    return day_start_ms(day) + STEP_MS * np.arange(SNAPSHOTS_PER_DAY, dtype=np.int64)
