"""Feature snapshots at their own instant: where a live market starts, and where its rows go.

A row that was written live stays: it says what was known then. What is found out later is a row
of origin `backfill` beside it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from psycopg import sql

from vigil_core.artemis.live import (
    FUNDING_REACH_MS,
    OI_REACH_MS,
    REACH_MS,
    STORED,
    LiveMarket,
)
from vigil_core.artemis.parameters import DEFAULT, Parameters
from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_resources.artemis.market_history import VAULTS
from vigil_resources.database.day_tables import DayTables
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.files.perp_balances import PerpBalances
from vigil_resources.statements import query

LIVE = "live"
"""`origin` of rows that were computed at their own instant."""

_INTERVALS = {"candles_1m": "1m", "candles_5m": "5m"}
_STATEMENTS = {
    "flow": "artemis/flow_between",
    "liquidations": "artemis/liquidations_between",
    "oi": "artemis/oi_between",
    "oi_changes": "artemis/oi_changes_between",
    "funding": "artemis/funding_between",
}
_ENDS = {"start": "start_at", "end": "end_at"}
"""As the columns of `oi_changes` are called where they are stored."""


class LiveSnapshots:
    """Starts live markets from what history has stored, and keeps their rows.

    Args:
        warehouse: Where the tables are.
        balances: Positions and their liquidation prices, in the lake.
        coins: Perps of which there are snapshots.
        parameters: Windows, limits and thresholds.
        vaults: Of the exchange, whose liquidations are no events.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        balances: PerpBalances,
        coins: Collection[str],
        parameters: Parameters = DEFAULT,
        vaults: tuple[str, ...] = VAULTS,
    ) -> None:
        self._warehouse = warehouse
        self._tables = DayTables(warehouse)
        self._balances = balances
        self._coins = sorted(set(coins))
        self._parameters = parameters
        self._vaults = vaults

    def covered_until(self) -> int | None:
        """The end of the last span of which history has all fills, ms UTC; None without any.

        A market that begins there has no gap, if all fills from there on can be fed to it.
        """
        ends = self._covered(0)["end"].to_list()
        return max(ends, default=None)

    def market(self, begin: int) -> LiveMarket:
        """A market that knows what is stored of the time before a mark.

        Args:
            begin: The mark, ms UTC. Fills from here on, and balances and rates stamped after it,
                are to be fed.

        Raises:
            ValueError: `begin` is no mark.
        """
        day = begin - begin % DAY_MS
        starts = dict.fromkeys(STORED, begin - REACH_MS)
        starts |= {"oi": day - OI_REACH_MS, "funding": day - FUNDING_REACH_MS}
        stored = {
            name: pl.concat(self._read(name, coin, starts[name], begin) for coin in self._coins)
            for name in (*_INTERVALS, *_STATEMENTS)
        }
        balances, positions = self._positions(begin)
        bots = self._tables.read("artemis/known_bots", {"address": pl.String()}, start=day)
        stored |= {
            "balances": balances,
            "positions": positions,
            "bots": bots.with_columns(pl.lit(day).alias("as_of")),
            "covered": self._covered(day - 2 * DAY_MS),
        }
        return LiveMarket(
            self._coins, begin, stored, vaults=self._vaults, parameters=self._parameters
        )

    def save(self, rows: pl.DataFrame) -> int:
        """Add the rows of a mark; gives how many were new. Those that are there stay as they are.

        Args:
            rows: Columns of `features.SCHEMA`, as `LiveMarket.take` gives them.
        """
        at = pl.col("snapshot_at")
        values = rows.with_columns((at - at % DAY_MS).alias("day"), pl.lit(LIVE).alias("origin"))
        with self._warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(query("artemis/live_insert"), values.to_dicts())
            return cursor.rowcount

    def _read(self, name: str, coin: str, start: int, begin: int) -> pl.DataFrame:
        """Rows of a coin stamped in [start, begin]."""
        statement = _STATEMENTS.get(name, "artemis/candles_between")
        asked = {"coin": sql.Literal(coin), "interval": sql.Literal(_INTERVALS.get(name))}
        names = {column: _ENDS.get(column, column) for column in STORED[name] if column != "coin"}
        types = {stored: STORED[name][column] for column, stored in names.items()}
        rows = self._tables.read(statement, types, start=start, end=begin + 1, **asked)
        return rows.select(
            pl.lit(coin).alias("coin"), *(pl.col(old).alias(new) for new, old in names.items())
        )

    def _covered(self, start: int) -> pl.DataFrame:
        return self._tables.read("artemis/live_covered", STORED["covered"], start=start)

    def _positions(self, begin: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The balances snapshots of the day and the one before, and who held what in them."""
        taken = [pl.DataFrame(schema=STORED["balances"])]
        held = [pl.DataFrame(schema=STORED["positions"])]
        today = day_of(begin)
        for day in (today - timedelta(days=1), today):
            entry = self._balances.finished(day)
            if entry is not None and entry.recorded_at <= begin:
                taken.append(pl.DataFrame({"recorded_at": [entry.recorded_at]}))
                rows = self._balances.positions(day).filter(pl.col("coin").is_in(self._coins))
                recorded = pl.lit(entry.recorded_at).alias("recorded_at")
                held.append(rows.with_columns(recorded).select(list(STORED["positions"])))
        return pl.concat(taken), pl.concat(held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """One feature of one coin, live beside backfilled, over the days that have both."""

    coin: str
    feature_version: str
    feature: str
    rows_compared: int
    rows_equal: int
    rows_different: int
    largest_difference: float | None
    """None where no two values were there."""
    rows_live_only: int
    rows_backfill_only: int
    """A collector that started or stopped within a day leaves some."""


def parity_report(warehouse: Warehouse, days: Collection[date]) -> list[Parity]:
    """Compare the two origins; empty where no day has both. By coin, version and feature.

    Two rows of a feature are equal when value and reason are.
    """
    asked = {"days": [day_start_ms(day) for day in days]}
    names = list(Parity.__dataclass_fields__)
    rows = warehouse.rows("artemis/parity_report", asked)
    return [Parity(**dict(zip(names, row, strict=True))) for row in rows]
