"""A UTC day of fills for the feature line, from whichever source is chosen.

By default they are the lake's: the node's own objects, which have everything. Artemis' copy of the
same trades may be chosen instead; what its files lack is left unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Protocol

import polars as pl

from vigil_core.calendar import HOUR_MS, HOURS_PER_DAY, day_start_ms
from vigil_core.errors import LakeIncomplete
from vigil_core.fills.source_keys import hours_of_day
from vigil_resources.database.day_tables import fingerprint
from vigil_resources.files.artemis_fills import ArtemisFills
from vigil_resources.files.lake import DayOfLake, Lake

Spans = list[tuple[int, int]]
"""[from, to) in ms, in order."""


@dataclass(frozen=True, slots=True)
class FillsOfDay:
    """What a source holds of a day."""

    version: str
    """Equal exactly when the rows are."""
    covered: Spans
    """Hours all of whose fills are there."""
    read: Callable[[list[str]], pl.DataFrame]
    """Columns of the lake → the rows of the day; columns that the source does not have are left
    out."""


class FillsByDay(Protocol):
    """A source of fills."""

    def has(self, day: date) -> bool:
        """Whether there are any of the day."""
        ...

    def day(self, day: date) -> FillsOfDay:
        """The day's fills. Raises `LakeIncomplete` where the source lacks the day."""
        ...


# In both, an hour is covered when its objects and the next hour's are there: the first rows of an
# object may be of the hour before.


class LakeFills:
    """The fills of the lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def has(self, day: date) -> bool:
        try:
            return bool(self._lake.day(day).parts)
        except LakeIncomplete:
            return False

    def day(self, day: date) -> FillsOfDay:
        content = self._lake.day(day)
        return FillsOfDay(
            content.version,
            _covered(content),
            lambda columns: self._lake.rows(content, columns),
        )


class ArtemisCopy:
    """The fills of Artemis' archive."""

    def __init__(self, artemis: ArtemisFills) -> None:
        self._artemis = artemis

    def has(self, day: date) -> bool:
        return bool(self._artemis.listing(day))

    def day(self, day: date) -> FillsOfDay:
        listing = self._artemis.listing(day)
        if not listing:
            raise LakeIncomplete(f"Artemis' copy of {day} is not there", "choose the lake's fills")
        there = {hour for hour, _ in listing}
        start = day_start_ms(day)
        covered = [
            (start + hour * HOUR_MS, start + (hour + 1) * HOUR_MS)
            for hour in range(HOURS_PER_DAY)
            if {hour, hour + 1} <= there
        ]
        version = fingerprint([(hour, one.size, one.etag) for hour, one in listing])

        def read(columns: list[str]) -> pl.DataFrame:
            rows = self._artemis.day(day)
            return rows.select(name for name in columns if name in rows.columns)

        return FillsOfDay(version, covered, read)


def _covered(content: DayOfLake) -> Spans:
    start = day_start_ms(content.day)
    hours = [hour.file_id not in content.awaits for hour in hours_of_day(content.day)]
    return [
        (start + number * HOUR_MS, start + (number + 1) * HOUR_MS)
        for number, (there, next_there) in enumerate(pairwise(hours))
        if there and next_there
    ]
