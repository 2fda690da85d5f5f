"""One source object on disk → one Parquet file per UTC day of its fills, and its counts."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vigil_core.calendar import DAY_MS, HOUR_MS, day_of
from vigil_core.errors import UnreadableObject
from vigil_core.fills.arrow import CODED_COLUMNS, CODED_SCHEMA, joined, plain
from vigil_core.fills.reading import GROUP_ROWS, FillReader, Found
from vigil_core.fills.schema import KEY, LAKE_SCHEMA
from vigil_core.fills.source_keys import Generation
from vigil_resources.files.ledger import LedgerEntry
from vigil_resources.files.lz4_lines import BrokenFrame, decompressed
from vigil_resources.files.quarantine import quarantine_line
from vigil_resources.files.store import read_chunks

_LEG_OF_A_TRADE = ("time", "user_address", "coin", "oid", "side", "px", "sz")

_DICTIONARIES = [*CODED_COLUMNS, "px", "extra"]
"""Columns whose values repeat. On hashes of orders and ids a dictionary only costs."""

_STATISTICS = ["time", "user_address", "coin", "oid", "twap_id", "builder", "block_number"]
"""Columns that are looked for. Extremes of the others cost a fifth of the writing."""

# Arrow's own allocator keeps giving memory back to the system, which stops all threads of the
# process for a moment; with two of them decoding that costs a tenth.
pa.set_memory_pool(pa.system_memory_pool())


def decode(
    reader: FillReader,
    local: Path,
    entry: LedgerEntry,
    folder: Path,
    newer: Callable[[list[date]], pl.DataFrame],
) -> tuple[dict[date, Path], Path]:
    """Read a local object into `folder`, and fill in its entry's counts.

    Args:
        reader: Of this thread.
        local: The object, as it was downloaded.
        entry: Of the object.
        folder: For the files; gone when they are stored.
        newer: Fills of some days that newer generations hold around this object.

    Returns:
        The Parquet file of each UTC day, and the file of rejected lines.

    Raises:
        UnreadableObject: The bytes are no whole sequence of LZ4 frames.
    """
    generation = entry.hour.generation
    found = Found()
    place = {"file_id": entry.hour.file_id, "key": entry.key}
    quarantine = folder / "quarantine.jsonl"
    with quarantine.open("wb") as rejected, PartFiles(folder) as parts:
        tables = reader.read(
            decompressed(read_chunks(local)),
            generation.line_format,
            found,
            lambda one: rejected.write(quarantine_line(one, **place)),
        )
        try:
            for table in tables:
                parts.write(table)
        except BrokenFrame as error:
            raise UnreadableObject(entry.key, str(error)) from None
    for one in fields(Found):
        if one.name != "unknown_keys":
            setattr(entry, one.name, getattr(found, one.name))
    entry.unknown_keys = dict(sorted(found.unknown_keys.items()))
    if generation < Generation.BLOCKS or any(b.before <= b.after for b in found.breaks):
        _keep_each_once(parts.files, entry, newer)
        parts.count()
    entry.rows_by_hour = dict(sorted(parts.rows_by_hour.items()))
    entry.rows = sum(parts.rows_by_hour.values())
    return parts.files, quarantine


class PartFiles:
    """Parquet files of one folder, one a UTC day, written row group by row group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[date, pq.ParquetWriter] = {}
        self._stack = ExitStack()
        self.files: dict[date, Path] = {}
        self.rows_by_hour: dict[str, int] = {}

    def __enter__(self) -> "PartFiles":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def write(self, table: pa.Table) -> None:
        """Add a table of `CODED_SCHEMA`, each row to the file of its day."""
        hours = table.column("time").chunk(0).to_numpy() // HOUR_MS
        self._count(hours)
        days = hours // 24
        first, last = int(days.min()), int(days.max())
        if first == last:
            self._writer(first).write_table(table)
            return
        # One dictionary serves one day's rows alone: what others hold must not show in it.
        spelled = plain(table)
        for day in np.unique(days).tolist():
            rows = spelled.filter(pa.array(days == day))
            self._writer(day).write_table(joined([rows]))

    def count(self) -> None:
        """Count the rows anew, after the files were rewritten."""
        self.rows_by_hour = {}
        for path in self.files.values():
            times = pq.read_table(path, columns=["time"]).column("time")
            self._count(times.combine_chunks().to_numpy() // HOUR_MS)

    def _count(self, hours: np.ndarray) -> None:
        for hour, rows in zip(*np.unique(hours, return_counts=True), strict=True):
            name = f"{day_of(int(hour) * HOUR_MS):%Y%m%d}/{int(hour) % 24:02d}"
            self.rows_by_hour[name] = self.rows_by_hour.get(name, 0) + int(rows)

    def _writer(self, number: int) -> pq.ParquetWriter:
        day = day_of(number * DAY_MS)
        if day not in self._writers:
            self.files[day] = self._folder / f"{day}.parquet"
            self._writers[day] = self._stack.enter_context(part_writer(self.files[day]))
        return self._writers[day]


def part_writer(path: Path) -> pq.ParquetWriter:
    """A file of `CODED_SCHEMA`, laid out for those who read it; readers see plain texts.

    Rows stand in the order of execution, so that the statistics of `time` cut to the minute. A
    filter on `user_address` or `coin` skips the row groups whose Bloom filter does not know it.
    """
    return pq.ParquetWriter(
        path,
        CODED_SCHEMA,
        compression="zstd",
        # Level 3 saves 2 % of the room and takes a quarter longer.
        compression_level=1,
        use_dictionary=_DICTIONARIES,
        store_schema=False,
        write_statistics=_STATISTICS,
        write_page_index=True,
        bloom_filter_options={
            "user_address": {"ndv": 8_192, "fpp": 0.01},
            "coin": {"ndv": 512, "fpp": 0.01},
        },
    )


def read_part_file(source: Any) -> pl.DataFrame:
    """All rows of a part, columns of `LAKE_SCHEMA`."""
    return pl.DataFrame(pl.from_arrow(pq.read_table(source))).cast(LAKE_SCHEMA)  # type: ignore[arg-type]


def _keep_each_once(
    files: dict[date, Path], entry: LedgerEntry, newer: Callable[[list[date]], pl.DataFrame]
) -> None:
    """Drop what the object repeats, and what newer generations hold too; order by block."""
    known = newer(sorted(files))
    for day, path in list(files.items()):
        fills = read_part_file(path)
        kept = distinct(fills, entry.hour.generation)
        entry.repeated += fills.height - kept.height
        rest = not_in_newer(kept, known, entry.hour.generation)
        entry.superseded += kept.height - rest.height
        if rest.is_empty():
            path.unlink()
            del files[day]
            continue
        with part_writer(path) as writer:
            for group in rest.iter_slices(GROUP_ROWS):
                table = group.to_arrow(compat_level=pl.CompatLevel.oldest())
                writer.write_table(joined([plain(table)]))


def distinct(fills: pl.DataFrame, generation: Generation) -> pl.DataFrame:
    """Each fill once, in the order of execution.

    Rows of one key that differ elsewhere are kept: which of them is right is not for Vigil to
    choose, and the load says so.
    """
    if generation is Generation.TRADES:
        return _distinct_trades(fills)
    differing = [c for c in fills.columns if c not in {"event_index", "local_time", "block_extra"}]
    once = fills.unique(differing, keep="first", maintain_order=True)
    if generation is Generation.BLOCKS:
        return once.sort("block_number", maintain_order=True)
    return once


def _distinct_trades(fills: pl.DataFrame) -> pl.DataFrame:
    """Each trade of the oldest generation once. It has no id: two orders meet once at a time.

    Its rows stand in pairs, the buyer's before the seller's.
    """
    buyers, sellers = fills.gather_every(2), fills.gather_every(2, offset=1)
    trades = buyers.select("coin", "block_time", "sz", "oid").with_columns(
        sellers["oid"].alias("seller_oid")
    )
    first = trades.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    return fills.filter(pl.Series(np.repeat(first.to_numpy(), 2)))


def not_in_newer(fills: pl.DataFrame, newer: pl.DataFrame, generation: Generation) -> pl.DataFrame:
    """The rows of an older generation that newer ones do not hold.

    A leg of the oldest generation has no trade id: the n-th of several that look alike is held
    if the newer ones hold n of them.
    """
    if newer.is_empty():
        return fills
    if generation is Generation.TRADES:
        nth = pl.int_range(pl.len()).over(_LEG_OF_A_TRADE).alias("nth")
        keys = [*_LEG_OF_A_TRADE, "nth"]
        held = newer.with_columns(nth).select(keys)
        return (
            fills.with_columns(nth)
            .join(held, on=keys, how="anti", maintain_order="left")
            .drop("nth")
        )
    return fills.join(newer.select(KEY), on=KEY, how="anti", maintain_order="left")
