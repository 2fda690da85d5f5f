"""Wallets by the day: lots matched first in, first out, their profiles, and who opens with whom.

Open lots, held positions and a row per wallet and day lie in the lake, for the days behind:

    wallets/day=2025-11-02/lots.parquet, held.parquet, piece_days.parquet, summary.parquet
"""

import io
import time
from datetime import date, timedelta

import polars as pl

from vigil_core.artemis.co_occurrences import co_occurrences, entries
from vigil_core.artemis.fifo import LOTS
from vigil_core.artemis.wallet_days import wallet_day
from vigil_core.artemis.wallet_profiles import HELD, PIECE_DAYS, SUMMARY, profiles_of_days
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import NotLoaded, ObjectMissing
from vigil_core.fills.schema import MONEY
from vigil_resources.artemis.market_history import VAULTS
from vigil_resources.database.day_tables import DayTables, fingerprint
from vigil_resources.files.store import Store

RELATIONS = ("wallet_profiles", "co_occurrences")

WINDOWS = ("1d", "30d", "90d", "all")

_VERSION = "1"
FILLS: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "user_address": pl.String(),
    "coin": pl.String(),
    "px": MONEY,
    "sz": MONEY,
    "side": pl.String(),
    "start_position": MONEY,
    "fee": MONEY,
    "block_number": pl.Int64(),
    "event_index": pl.Int32(),
}
_STATES: dict[str, dict[str, pl.DataType]] = {
    "lots": LOTS,
    "held": HELD,
    "piece_days": PIECE_DAYS,
    "summary": SUMMARY,
}


class Wallets:
    """Builds the days of `wallet_profiles` and `co_occurrences`.

    Args:
        lake: Where open lots and daily sums are kept.
        tables: Where fills are read and profiles go.
        vaults: Of the exchange; they open with nobody.
    """

    def __init__(self, lake: Store, tables: DayTables, vaults: tuple[str, ...] = VAULTS) -> None:
        self._lake = lake
        self._tables = tables
        self._vaults = vaults

    def is_current(self, day: date) -> bool:
        """Whether the day was made of the fills of now and of what the day before left open."""
        return self._tables.built_from(RELATIONS[0], day) == self._fingerprint(day)

    def build(self, day: date) -> dict[str, int]:
        """Rebuild the day, from the lots that the day before left; gives the rows.

        Raises:
            NotLoaded: The day's fills, or its round trips, are not in the warehouse.
        """
        began = time.monotonic()
        if day_start_ms(day) not in dict(self._tables.round_trips_contents(day)):
            raise NotLoaded(RELATIONS[0], str(day))
        built_from = self._fingerprint(day)
        start = day_start_ms(day)
        before = day - timedelta(days=1)
        fills = self._tables.read("artemis/perp_fills", FILLS, start=start)
        seen = {"address": pl.String(), "coin": pl.String()}
        known = self._tables.read("artemis/positions_seen", seen, start=start)
        made = wallet_day(fills, self._state(before, "lots"), self._state(before, "held"), known)
        # The summary comes last: it stands for the whole day.
        for name in _STATES:
            self._keep(day, name, getattr(made, name))
        together, left_out = co_occurrences(entries(fills), self._excluded(day))
        frames = {
            "wallet_profiles": self._profiles(day),
            "co_occurrences": together.drop("day"),
        }
        details = {
            "wallets": frames["wallet_profiles"]["address"].n_unique(),
            "pieces": made.pieces,
            "open_lots": made.lots.height,
            "dropped_busy": left_out.dropped_busy,
            "crowded_entries": left_out.crowded_entries,
        }
        self._tables.replace_day(day, frames, built_from, began, details)
        return {name: frame.height for name, frame in frames.items()}

    def _profiles(self, day: date) -> pl.DataFrame:
        days = [one for one in self._days() if one <= day]
        sums = pl.concat(self._state(one, "piece_days") for one in days)
        summary = pl.concat(self._state(one, "summary") for one in days)
        as_of = day_start_ms(day) + DAY_MS
        return pl.concat(profiles_of_days(sums, summary, as_of, window) for window in WINDOWS)

    def _excluded(self, day: date) -> list[str]:
        bots = self._tables.read(
            "artemis/known_bots", {"address": pl.String()}, start=day_start_ms(day)
        )
        return [*self._vaults, *bots["address"]]

    def _days(self) -> list[date]:
        keys = (item.key for item in self._lake.list("wallets/"))
        # Written last of a day's files.
        days = (key.split("/")[1] for key in keys if key.endswith("/summary.parquet"))
        return sorted(date.fromisoformat(day.removeprefix("day=")) for day in days)

    def _state(self, day: date, name: str) -> pl.DataFrame:
        try:
            content = self._lake.read(f"wallets/day={day}/{name}.parquet")
        except ObjectMissing:
            return pl.DataFrame(schema=_STATES[name])
        return pl.read_parquet(io.BytesIO(content))

    def _keep(self, day: date, name: str, frame: pl.DataFrame) -> None:
        content = io.BytesIO()
        frame.sort(frame.columns).write_parquet(content)
        self._lake.write(f"wallets/day={day}/{name}.parquet", content.getvalue())

    def _fingerprint(self, day: date) -> str:
        # What the day before was made of covers all days before it, which profiles go back to.
        before = self._tables.built_from(RELATIONS[0], day - timedelta(days=1))
        return fingerprint(_VERSION, self._vaults, self._tables.round_trips_contents(day), before)
