"""Artemis' copy of the exchange's fills: Parquet, some files an hour, from 2025-08-17 on."""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from vigil_core.calendar import day_start_ms
from vigil_core.fills.artemis_format import artemis_rows, compare
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_resources.lake import Lake
from vigil_resources.store import Listed, Store

_HOURS = 24


class ArtemisFills:
    """The fills below `VIGIL_ARTEMIS_DATA`; one object at a time is on disk."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self._store = store
        self._scratch = scratch

    def objects(self, day: date) -> list[Listed]:
        """The files that can hold fills of a UTC day: its hours', and the next hour's."""
        found = []
        for step in range(_HOURS + 1):
            directory = day + timedelta(days=step // _HOURS)
            prefix = f"node_fills/hourly/{directory:%Y/%m/%d}/{step % _HOURS:02d}/"
            found += [item for item in self._store.list(prefix) if item.key.endswith(".parquet")]
        return found

    def rows(self, day: date) -> Iterator[pl.DataFrame]:
        """The fills of a UTC day by their own time, a file at a time."""
        start = day_start_ms(day)
        end = day_start_ms(day + timedelta(days=1))
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            local = Path(folder) / "object.parquet"
            for listed in self.objects(day):
                self._store.download(listed, local)
                rows = artemis_rows(pl.read_parquet(local))
                yield rows.filter(
                    pl.col("time").is_null() | pl.col("time").is_between(start, end, closed="left")
                )


def compare_day(lake: Lake, artemis: ArtemisFills, day: date) -> dict[str, int] | None:
    """How the lake's day and Artemis' differ; None where Artemis has nothing of the day."""
    theirs = list(artemis.rows(day))
    if not theirs:
        return None
    ours = [lake.read_part(part) for part in lake.day(day).parts]
    whole = pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), *ours])
    return compare(whole, pl.concat(theirs, how="diagonal"))
