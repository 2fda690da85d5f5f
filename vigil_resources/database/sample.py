"""A sample of another database as a lake of its own: whole traders on whole days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import psycopg

from vigil_core.calendar import DAY_MS, HOUR_MS, HOURS_PER_DAY, day_start_ms
from vigil_core.errors import NotLoaded
from vigil_core.fills.arrow import frame_table, joined
from vigil_core.fills.reading import GROUP_ROWS
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY, WAREHOUSE_COLUMNS
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.files.decoding import part_writer
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import Manifest
from vigil_resources.files.scratch import scratch_folder
from vigil_resources.files.store import Listed
from vigil_resources.statements import query

_FETCHED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledDay:
    """What was taken of a day."""

    day: date
    rows: int
    of_rows: int


def take_sample(
    warehouse: Warehouse,
    lake: Lake,
    scratch: Path,
    days: list[date],
    one_in: int,
    done: Callable[[SampledDay], object],
) -> None:
    """Write some traders' fills of some days into a lake, from one snapshot of the database.

    In the lake each hour that the database has is an object of its own, so that the hours it
    lacks are missing in the sample too.

    Raises:
        NotLoaded: The database does not hold one of the days; nothing of any was written.
    """
    with warehouse.connect(read_only=True) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        states = {day: _state(connection, day) for day in days}
        for day, (source, missing, rows) in states.items():
            fills = _fills(connection, day, one_in)
            name = f"{source}, one trader in {one_in}"
            count = _write_day(lake, scratch, day, name, missing, fills)
            done(SampledDay(day=day, rows=count, of_rows=rows))


def _state(connection: psycopg.Connection, day: date) -> tuple[str, list[int], int]:
    found = connection.execute(query("fills/day_state"), {"day": day_start_ms(day)}).fetchone()
    if found is None:
        raise NotLoaded("a sample", str(day))
    source, _, _, rows, _, missing = found
    return source, list(missing), rows


def _fills(connection: psycopg.Connection, day: date, one_in: int) -> Iterator[pl.DataFrame]:
    start = day_start_ms(day)
    values = {"start": start, "end": start + DAY_MS, "one_in": one_in}
    # Numbers come as their texts, so that none goes through a float.
    given = {n: pl.String() if LAKE_SCHEMA[n] == MONEY else LAKE_SCHEMA[n] for n in _SELECTED}
    empty = pl.DataFrame(schema=LAKE_SCHEMA)
    with connection.cursor(name="sample") as cursor:
        cursor.execute(query("fills/sample_day"), values)
        while rows := cursor.fetchmany(_FETCHED):
            frame = pl.DataFrame(rows, schema=given, orient="row")
            typed = frame.with_columns(pl.col(n).cast(LAKE_SCHEMA[n]) for n in _SELECTED)
            yield pl.concat([empty, typed], how="diagonal")


_SELECTED = tuple(name for name in LAKE_SCHEMA if name in WAREHOUSE_COLUMNS)


def _write_day(
    lake: Lake,
    scratch: Path,
    day: date,
    source: str,
    missing: list[int],
    fills: Iterator[pl.DataFrame],
) -> int:
    whole = pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), *fills])
    objects = {}
    for hour in range(HOURS_PER_DAY):
        begin = day_start_ms(day) + hour * HOUR_MS
        own = whole.filter(pl.col("time").is_between(begin, begin + HOUR_MS, closed="left"))
        if hour in missing and own.is_empty():
            continue
        at = SourceHour(day, hour)
        with scratch_folder(scratch) as folder:
            path = folder / "sample.parquet"
            if own.height:
                with part_writer(path) as writer:
                    for rows in own.iter_slices(GROUP_ROWS):
                        writer.write_table(joined([frame_table(rows)]))
            entry = lake.put_part(at, source, day, path if own.height else None)
        objects[at] = Listed(entry.key, entry.size, entry.etag)
    lake.write_manifest(Manifest(day=day, source=source, objects=objects))
    return whole.height
