"""Market contexts: one object of the exchange's archive a UTC day → one Parquet file in the lake.

    asset_ctxs/day=2025-01-01/asset_ctxs.parquet    the day's rows, by minute and coin
    quarantine/asset_ctxs-20250101.jsonl            its lines that are no rows, as they came
    ledger/asset_ctxs-20250101.json                 what became of the object

The ledger entry is written twice, as in `lake.py`: before the files, as unfinished, and last,
which is the commit. The same object gives the same bytes.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vigil_core.calendar import HOURS_PER_DAY, day_start_ms
from vigil_core.errors import LakeIncomplete, ObjectMissing, UnreadableObject
from vigil_core.snapshots.asset_ctxs import (
    SCHEMA,
    DecodedDay,
    HeaderUnreadable,
    decode_day,
    minutes_present,
    missing_minutes,
)
from vigil_resources.files.lz4_lines import BrokenFrame, line_batches
from vigil_resources.files.quarantine import quarantine_line
from vigil_resources.files.raw_fills import SANDBOX_MARKER
from vigil_resources.files.scratch import scratch_folder
from vigil_resources.files.store import Listed, Store, read_chunks

DECODER_VERSION = 1
"""Raise when the same object would give other rows: all days are then stale."""

_UNFINISHED = 0
"""In place of the decoder's version: nothing is vouched for."""

_PREFIX = "asset_ctxs"
_KEY = re.compile(rf"{_PREFIX}/([0-9]{{8}})\.csv\.lz4")
_ROW_GROUP = 65_536
"""Rows; some five hours of two hundred coins, so that a reader of an hour skips the rest."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the archive holds at one moment."""

    root: str
    source: str
    """`hyperliquid`, or `sandbox` where the root says that all is simulated."""
    objects: dict[date, Listed]

    def of(self, day: date) -> Listed:
        """The object of a day. Raises `ObjectMissing`."""
        try:
            return self.objects[day]
        except KeyError:
            raise ObjectMissing(object_key(day), self.root) from None


@dataclass(slots=True, kw_only=True)
class Entry:
    """What became of one day's object: lines = 1 header + rows + repeated + rejected + blank."""

    day: str
    source: str
    key: str
    size: int
    etag: str
    decoder_version: int = DECODER_VERSION
    lines: int
    blank_lines: int
    repeated: int
    rejected: int
    rows: int
    rows_by_hour: list[int]
    minutes_present: int
    """Of 1,440."""
    missing_minutes: list[list[str]] = field(default_factory=list)
    """First and last minute of each hole, `HH:MM`, UTC."""
    coins: int
    unknown_columns: dict[str, int]
    parquet_bytes: int
    parquet_sha256: str

    def to_json(self) -> bytes:
        """The entry as the lake holds it."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Entry":
        """The entry that `to_json` wrote."""
        return cls(**json.loads(text))


class AssetCtxs:
    """Takes the archive's days into the lake. Every method may be repeated and interrupted."""

    def __init__(self, archive: Store, lake: Store, scratch: Path) -> None:
        self.archive = archive
        self.lake = lake
        self._scratch = scratch

    def listing(self) -> Listing:
        """All days that the archive has now."""
        source = self._source()
        objects = {}
        for item in self.archive.list(_PREFIX):
            if match := _KEY.fullmatch(item.key):
                with suppress(ValueError):  # eight digits that are no date
                    objects[date.fromisoformat(match[1])] = item
        return Listing(self.archive.root, source, objects)

    def entry(self, day: date) -> Entry | None:
        """What became of a day's object; None if it was never taken in."""
        try:
            return Entry.from_json(self.lake.read(_ledger_key(day)))
        except ObjectMissing:
            return None

    def finished(self, day: date) -> Entry:
        """The entry of a day that the lake holds.

        Raises:
            LakeIncomplete: It was never taken in, or that was interrupted.
        """
        entry = self.entry(day)
        if entry is None or entry.decoder_version == _UNFINISHED:
            what = "were never taken in" if entry is None else "were being taken in, unfinished"
            raise LakeIncomplete(f"the contexts of {day} {what}", _remedy(day))
        return entry

    def is_current(self, day: date, listing: Listing) -> bool:
        """Whether the lake holds the present content of the archive's object, if there is one."""
        entry, listed = self.entry(day), listing.objects.get(day)
        if entry is None or listed is None:
            return False
        here = (entry.size, entry.etag, entry.source, entry.decoder_version)
        there = (listed.size, listed.etag, listing.source, DECODER_VERSION)
        sizes = {item.key: item.size for item in self.lake.list(f"{_PREFIX}/day={day}")}
        return here == there and sizes.get(parquet_key(day)) == entry.parquet_bytes

    def take_in(self, day: date, listing: Listing) -> Entry:
        """Decode a day's object into the lake, unless the lake holds its present content.

        Raises:
            ObjectMissing: The archive has no object of that day.
            UnreadableObject: Its bytes are not whole, or no table; the lake is as it was.
        """
        listed = listing.of(day)
        if self.is_current(day, listing):
            return self.finished(day)
        with scratch_folder(self._scratch) as folder:
            local, parquet = folder / "object.lz4", folder / "rows.parquet"
            self.archive.download(listed, local)
            decoded = _decode(local, listed.key, day)
            _write_parquet(decoded.rows, parquet)
            entry = _entry(day, listing.source, listed, decoded, parquet)
            # Cut off anywhere from here on, the day counts as stale, and is not read.
            unfinished = replace(entry, decoder_version=_UNFINISHED)
            self.lake.write(_ledger_key(day), unfinished.to_json())
            self.lake.write(parquet_key(day), parquet)
        if decoded.rejected:
            lines = [quarantine_line(rejection, key=entry.key) for rejection in decoded.rejected]
            self.lake.write(_quarantine_key(day), b"".join(lines))
        else:
            self.lake.delete(_quarantine_key(day))
        self.lake.write(_ledger_key(day), entry.to_json())
        return entry

    def read(self, day: date) -> pl.DataFrame:
        """Rows of a day, columns of `SCHEMA`, proved by their digest. Raises `LakeIncomplete`."""
        entry = self.finished(day)
        content = self.lake.read(parquet_key(day))
        if hashlib.sha256(content).hexdigest() != entry.parquet_sha256:
            what = f"{parquet_key(day)} is not what its ledger entry says"
            raise LakeIncomplete(what, _remedy(day))
        table = pq.read_table(pa.BufferReader(content))
        return pl.DataFrame(pl.from_arrow(table)).cast(SCHEMA)  # type: ignore[arg-type]

    def rejections(self, day: date) -> Iterator[dict[str, Any]]:
        """The quarantined lines of a day, in their order."""
        if self.finished(day).rejected:
            for line in self.lake.read(_quarantine_key(day)).splitlines():
                yield json.loads(line)

    def _source(self) -> str:
        try:
            self.archive.read(SANDBOX_MARKER)
        except ObjectMissing:
            return "hyperliquid"
        return "sandbox"


def object_key(day: date) -> str:
    """Where the archive has a day."""
    return f"{_PREFIX}/{day:%Y%m%d}.csv.lz4"


def parquet_key(day: date) -> str:
    """Where the lake has a day."""
    return f"{_PREFIX}/day={day}/asset_ctxs.parquet"


def _decode(local: Path, key: str, day: date) -> DecodedDay:
    batches = line_batches(read_chunks(local))
    try:
        return decode_day((batch.lines for batch in batches), day)
    except (BrokenFrame, HeaderUnreadable) as error:
        raise UnreadableObject(key, str(error)) from None


def _entry(day: date, source: str, listed: Listed, decoded: DecodedDay, parquet: Path) -> Entry:
    rows = decoded.rows
    present = minutes_present(rows, day)
    hours = (rows["time"] - day_start_ms(day)) // 3_600_000
    by_hour = dict(hours.value_counts().iter_rows())
    content = parquet.read_bytes()
    return Entry(
        day=str(day),
        source=source,
        key=listed.key,
        size=listed.size,
        etag=listed.etag,
        lines=decoded.lines,
        blank_lines=decoded.blank_lines,
        repeated=decoded.repeated,
        rejected=len(decoded.rejected),
        rows=rows.height,
        rows_by_hour=[by_hour.get(hour, 0) for hour in range(HOURS_PER_DAY)],
        minutes_present=len(present),
        missing_minutes=[[_clock(a), _clock(b)] for a, b in missing_minutes(present)],
        coins=rows["coin"].n_unique(),
        unknown_columns=dict(sorted(decoded.unknown_columns.items())),
        parquet_bytes=len(content),
        parquet_sha256=hashlib.sha256(content).hexdigest(),
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _write_parquet(rows: pl.DataFrame, path: Path) -> None:
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_arrow_schema())
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=3,
        row_group_size=_ROW_GROUP,
        write_statistics=True,
        sorting_columns=[pq.SortingColumn(0), pq.SortingColumn(1)],
    )


def _ledger_key(day: date) -> str:
    return f"ledger/{_PREFIX}-{day:%Y%m%d}.json"


def _quarantine_key(day: date) -> str:
    return f"quarantine/{_PREFIX}-{day:%Y%m%d}.jsonl"


def _remedy(day: date) -> str:
    return f"materialize asset_ctxs for {day}"


@cache
def _arrow_schema() -> pa.Schema:
    """Not made while importing: polars would start its threads, which no fork survives."""
    return pl.DataFrame(schema=SCHEMA).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
