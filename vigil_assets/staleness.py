"""What a range of days still needs, judged by the data themselves.

The listing says what there is, the ledger what the lake holds of it, `day_state` what is
loaded, `aggregate_state` and `profile_state` what was built from that. Dagster's records only
add what it has never seen: a database that was reset needs its loads again, whatever they say.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

import dagster as dg

from vigil_core.errors import LakeIncomplete
from vigil_resources.database.warehouse import DERIVED, Warehouse
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import RawFills

PROFILES = "trader_profiles"
POSITIONS = "smart_money_positions"


class Staleness:
    """Answers for one moment; make a new one after something was built.

    Without `raw`, what the source holds by now is not asked: nothing before the lake is wanted.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        raw: RawFills | None,
        lake: Lake,
        warehouse: Warehouse,
    ) -> None:
        self._raw, self._lake, self._warehouse = raw, lake, warehouse
        self._current = {name: warehouse.current_days(name) for name in DERIVED}
        self._profiles_are_current = warehouse.profiles_are_current()
        names = ["raw_fills", "fills_parquet", "fills", *DERIVED, POSITIONS, PROFILES]
        self._seen = {
            name: instance.get_materialized_partitions(dg.AssetKey(name)) for name in names
        }

    def of_day(self, day: date) -> frozenset[str]:
        """The assets that this day needs; each implies those behind it.

        Aside from those that depend on other days as well: profiles and positions.
        """
        missing = self._missing(day)
        unseen = {
            name
            for name, days in self._seen.items()
            if name not in {PROFILES, POSITIONS} and day.isoformat() not in days
        }
        return frozenset(missing | unseen)

    def profiles(self, days: Iterable[date]) -> bool:
        """Whether the profiles are stale, or never saw one of these days."""
        seen = self._seen[PROFILES]
        return not self._profiles_are_current or any(str(day) not in seen for day in days)

    def positions(self, days: Iterable[date]) -> list[date]:
        """Which of these days need their positions built, in the order of time."""
        stale = self._warehouse.stale_position_days()
        seen = self._seen[POSITIONS]
        return sorted(day for day in days if day in stale or str(day) not in seen)

    def _missing(self, day: date) -> set[str]:
        everything = {"raw_fills", "fills_parquet", "fills", *DERIVED}
        try:
            kept = self._lake.manifest(day)
        except LakeIncomplete:
            return everything
        if self._raw is not None and kept.version != self._raw.manifest(day).version:
            return everything
        if self._lake.stale_objects(kept):
            return everything - {"raw_fills"}
        try:
            content = self._lake.day(day)
        except LakeIncomplete:
            return everything - {"raw_fills"}
        if self._warehouse.loaded_version(day) != content.version:
            return {"fills", *DERIVED}
        return {name for name, days in self._current.items() if day not in days}


def batches(
    needed: Sequence[tuple[date, frozenset[str]]], size: int
) -> Iterator[tuple[list[date], frozenset[str]]]:
    """Runs of consecutive days that need the same, at most `size` long.

    >>> a, b = frozenset({"fills"}), frozenset[str]()
    >>> days = [(date(2026, 3, 1), a), (date(2026, 3, 2), a), (date(2026, 3, 3), b)]
    >>> [(len(batch), sorted(names)) for batch, names in batches(days, 10)]
    [(2, ['fills'])]
    """
    batch: list[date] = []
    names: frozenset[str] = frozenset()
    for day, wanted in needed:
        follows = bool(batch) and day == batch[-1] + timedelta(days=1)
        if batch and (wanted != names or not follows or len(batch) == size):
            yield batch, names
            batch = []
        if wanted:
            batch, names = [*batch, day], wanted
    if batch:
        yield batch, names
