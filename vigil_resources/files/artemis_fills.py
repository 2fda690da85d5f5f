"""Artemis' copy of the exchange's fills: Parquet, some files an hour, from 2025-08-17 on."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import polars as pl

from vigil_core.calendar import HOUR_MS, HOURS_PER_DAY, day_start_ms
from vigil_core.errors import VigilError
from vigil_core.fills.artemis_format import artemis_rows, compare
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.scratch import scratch_folder
from vigil_resources.files.store import Listed, Store

_MOST_IMPOSSIBLE = 0.001
"""Share of rows with an impossible time up to which the others are used."""


class ArtemisFills:
    """The fills below `VIGIL_ARTEMIS_DATA`; one object at a time is on disk."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self._store = store
        self._scratch = scratch

    def listing(self, day: date) -> list[tuple[int, Listed]]:
        """The files that may hold fills of a day, each with its hour from 0 to 24.

        Raises:
            ArtemisLayout: The day is there in the layout of the early documentation only.
        """
        found = []
        for hour in range(HOURS_PER_DAY + 1):
            at = SourceHour(day, 0).later(hour)
            found += [(hour, one) for one in self._files(at.day, at.hour)]
        if not found and self._store.list(f"node_fills/{day}/"):
            raise ArtemisLayout(day)
        return found

    def day(self, day: date) -> pl.DataFrame:
        """All fills of a day by their own time, with the columns that the files have.

        Raises:
            ImpossibleTimes: Too many rows have a time that cannot be.
        """
        hours = _by_own_hour(day, lambda hour: self.hour(hour.day, hour.hour))
        rows = pl.concat(hours, how="diagonal")
        known = rows.drop_nulls("time")
        if rows.height - known.height > _MOST_IMPOSSIBLE * rows.height:
            raise ImpossibleTimes(day, rows.height - known.height, rows.height)
        return known

    def hour(self, day: date, hour: int) -> pl.DataFrame:
        """The fills in the files of one directory hour, with the columns that the files have."""
        frames = []
        with scratch_folder(self._scratch) as folder:
            local = folder / "object.parquet"
            for listed in self._files(day, hour):
                self._store.download(listed, local)
                frames.append(artemis_rows(pl.read_parquet(local)))
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()

    def _files(self, day: date, hour: int) -> list[Listed]:
        listed = self._store.list(f"node_fills/hourly/{day:%Y/%m/%d}/{hour:02d}/")
        return [one for one in listed if one.key.endswith(".parquet")]


class ImpossibleTimes(VigilError):
    """The times of a day's rows were written in a way that is not understood."""

    def __init__(self, day: date, impossible: int, rows: int) -> None:
        super().__init__(
            f"Artemis' fills of {day}: {impossible} of {rows} rows have an impossible time, more "
            f"than {_MOST_IMPOSSIBLE:.1%}"
        )


class ArtemisLayout(VigilError):
    """Fills as the early documentation describes them: no sample tells the names of its fields."""

    def __init__(self, day: date) -> None:
        super().__init__(
            f"Artemis' fills of {day} lie in node_fills/{day}/, a line per trade, and not in "
            f"node_fills/hourly/{day:%Y/%m/%d}/: that layout is not read; use the lake's fills"
        )


def compare_day(lake: Lake, artemis: ArtemisFills, day: date) -> dict[str, int] | None:
    """How the lake's day and Artemis' differ; None where Artemis has nothing of the day.

    Of both, an hour is in memory at a time, and the one after it.
    """
    content = lake.day(day)
    total: Counter[str] = Counter()
    hours = zip(
        _by_own_hour(day, lambda hour: _ours(lake, content, hour)),
        _by_own_hour(day, lambda hour: artemis.hour(hour.day, hour.hour)),
        strict=True,
    )
    there = False
    for ours, theirs in hours:
        if theirs.width:
            there = True
            total.update(compare(ours, theirs))
        else:
            total["rows_only_ours"] += ours.height
    return dict(total) if there else None


def _ours(lake: Lake, content: DayOfLake, hour: SourceHour) -> pl.DataFrame:
    """What the lake's day holds from the objects of an hour; the first brings all from afar."""
    hours = [SourceHour(content.day, 0).later(step) for step in range(HOURS_PER_DAY + 1)]
    places = {(one.day, one.hour): one for one in hours}
    parts = [
        part
        for part in content.parts
        if places.get((part.hour.day, part.hour.hour), hours[0]) == hour
    ]
    return pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), *map(lake.read_part, parts)])


def _by_own_hour(day: date, read: Callable[[SourceHour], pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows of each hour of a day by their own time, from objects that are cut a bit later.

    A row whose time is not known stands in the hour of its object.
    """
    start = day_start_ms(day)
    waiting = read(SourceHour(day, 0))
    for hour in range(HOURS_PER_DAY):
        following = read(SourceHour(day, 0).later(hour + 1))
        frames = [frame for frame in (waiting, following) if frame.width]
        if not frames:
            yield pl.DataFrame()
            continue
        rows = pl.concat(frames, how="diagonal")
        begin = start + hour * HOUR_MS
        own = pl.col("time").is_between(begin, begin + HOUR_MS, closed="left")
        yield rows.filter(own | pl.col("time").is_null())
        waiting = rows.filter(pl.col("time") >= begin + HOUR_MS)
