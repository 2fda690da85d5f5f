"""Five-minute snapshots of a UTC day, and what came after them."""

import hashlib
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from psycopg import sql

from vigil_core.artemis.features import SCHEMA as FEATURE_COLUMNS
from vigil_core.artemis.features import TABLES, MarketTables, features
from vigil_core.artemis.labels import labels
from vigil_core.artemis.parameters import DEFAULT, SNAPSHOTS_PER_DAY, STEP_MS, Parameters
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_core.fills.schema import MONEY
from vigil_resources.artemis_tables import ArtemisTables
from vigil_resources.perp_balances import PerpBalances

FEATURES, LABELS = "feature_snapshots", "snapshot_labels"

BACKFILL = "backfill"
"""`origin` of rows that were computed after the fact."""

_REACH_DAYS = {"funding": 30, "oi": 8}
_LONGEST_HORIZON_MS = 4 * HOUR_MS
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
        tables: ArtemisTables,
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
        built = self._tables.built_from(relation).get(day)
        return built is not None and built == self._fingerprint(relation, day)

    def build_features(self, day: date) -> pl.DataFrame:
        """Rebuild the day's 288 rows per coin, from what was known before each instant."""
        built_from = self._fingerprint(FEATURES, day)
        rows = pl.concat(
            [
                pl.DataFrame(schema=FEATURE_COLUMNS),
                *(
                    features(self._market(coin, day), coin, _grid(day), self._parameters)
                    for coin in self._coins_of(day)
                ),
            ]
        ).with_columns(pl.lit(BACKFILL).alias("origin"))
        self._tables.replace_day(day, {FEATURES: rows}, built_from)
        return rows

    def build_labels(self, day: date) -> pl.DataFrame:
        """Rebuild the day's labels; those whose candles are still to come are pending."""
        built_from = self._fingerprint(LABELS, day)
        start = day_start_ms(day)
        bounds = {"start": start - STEP_MS, "end": start + DAY_MS + _LONGEST_HORIZON_MS}
        spans = self._covered(start, start + 2 * DAY_MS)
        known_until = max(spans["end"].to_list(), default=start)
        rows = pl.concat(
            labels(
                self._candles(coin, "5m", **bounds).select("open_time", "high", "low", "close"),
                self._candles(coin, "1m", **bounds),
                _grid(day),
                known_until,
                self._parameters,
            ).select(pl.lit(coin).alias("coin"), pl.all())
            for coin in self._coins_of(day)
        )
        counts = rows["label_status"].value_counts().rows()
        self._tables.replace_day(day, {LABELS: rows}, built_from, {"status": dict(counts)})
        return rows

    def _coins_of(self, day: date) -> list[str]:
        return list(self._coins) if self._coins else self._tables.traded_coins(day)

    def _market(self, coin: str, day: date) -> MarketTables:
        """All that one coin's snapshots of a day may look at, and nothing after the day."""
        start = day_start_ms(day)
        end = start + DAY_MS
        day_before = {"start": start - DAY_MS - 3 * HOUR_MS, "end": end}
        oi = {"start": start - _REACH_DAYS["oi"] * DAY_MS, "end": end}
        funding = {"start": start - (_REACH_DAYS["funding"] + 1) * DAY_MS, "end": end}
        covered = self._covered(start - 2 * DAY_MS, end)
        taken, positions = self._positions(coin, day)
        return MarketTables(
            candles_1m=self._candles(coin, "1m", **day_before).select("open_time", "close"),
            candles_5m=self._candles(coin, "5m", **day_before).select(
                "open_time", "high", "low", "close"
            ),
            flow=self._read("flow", "artemis/flow_between", coin, day_before),
            liquidations=self._read(
                "liquidations", "artemis/liquidations_between", coin, day_before
            ),
            liquidations_covered=covered,
            oi=self._read("oi", "artemis/oi_between", coin, oi),
            oi_changes=self._tables.read(
                "artemis/oi_changes_between",
                {"start_at": pl.Int64(), "end_at": pl.Int64(), "change_base": MONEY},
                coin=sql.Literal(coin),
                **day_before,
            ).rename({"start_at": "start", "end_at": "end"}),
            fills_covered=covered,
            funding=self._read("funding", "artemis/funding_between", coin, funding),
            balances=taken,
            positions=positions,
            bots=self._tables.read(
                "artemis/known_bots", {"address": pl.String()}, start=start
            ).select(pl.lit(start).alias("as_of"), "address"),
        )

    def _read(self, table: str, statement: str, coin: str, bounds: dict[str, int]) -> pl.DataFrame:
        return self._tables.read(statement, TABLES[table], coin=sql.Literal(coin), **bounds)

    def _candles(self, coin: str, interval: str, *, start: int, end: int) -> pl.DataFrame:
        names = {"coin": sql.Literal(coin), "interval": sql.Literal(interval)}
        return self._tables.read("artemis/candles_between", _CANDLE, start=start, end=end, **names)

    def _covered(self, start: int, end: int) -> pl.DataFrame:
        return self._tables.read("artemis/covered_days", _SPAN, start=start, end=end)

    def _positions(self, coin: str, day: date) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The balances snapshots of the day and the one before, and who held the coin in them."""
        taken, held = [], []
        for one in (day - timedelta(days=1), day):
            entry = self._balances.finished(one)
            if entry is not None:
                recorded = pl.lit(entry.recorded_at).alias("recorded_at")
                taken.append(pl.DataFrame({"recorded_at": [entry.recorded_at]}))
                rows = self._balances.positions(one).filter(pl.col("coin") == coin)
                held.append(rows.with_columns(recorded).select(list(TABLES["positions"])))
        empty = MarketTables()
        return pl.concat([empty.balances, *taken]), pl.concat([empty.positions, *held])

    def _fingerprint(self, relation: str, day: date) -> str:
        start = day_start_ms(day)
        states = self._tables.states(_INPUTS, start - 31 * DAY_MS, start + 2 * DAY_MS)
        # Of the day after, labels look at the candles; features at nothing.
        last = start + DAY_MS if relation == LABELS else start
        wanted = [state for state in states if state[1] <= last]
        balances = [self._balances.version(day - timedelta(days=n)) for n in range(2)]
        parts: tuple[Any, ...] = (self._coins_of(day), wanted)
        if relation == FEATURES:
            parts += (self._parameters.feature_version, balances)
        else:
            parts += (self._parameters.label_version,)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _grid(day: date) -> np.ndarray[Any, np.dtype[np.int64]]:
    return day_start_ms(day) + STEP_MS * np.arange(SNAPSHOTS_PER_DAY, dtype=np.int64)
