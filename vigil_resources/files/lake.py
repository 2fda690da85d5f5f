"""The Parquet lake: fills by the UTC day of their own time, one part per source object.

    fills/day=2026-03-14/20260315-00.node_fills_by_block.parquet   that day's rows in that object
    quarantine/20260315-00.node_fills_by_block.jsonl               its lines that are none
    ledger/20260315/20260315-00.node_fills_by_block.json           what became of the object
    manifests/2026-03-15.json                                      the objects listed for a day

An object is taken in whole or not at all. Its ledger entry is written twice: before its files,
as unfinished, so that whatever an interruption leaves behind is known by name; and last, which
is the commit. The same object gives the same bytes.
"""

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vigil_core.errors import LakeIncomplete, ObjectMissing, UnreadableObject
from vigil_core.fills.arrow import CODED_COLUMNS
from vigil_core.fills.reading import FillReader
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.fills.source_keys import SourceHour, hours_of_day, newer_neighbours
from vigil_resources.files.decoding import decode, read_part_file
from vigil_resources.files.ledger import (
    LedgerEntry,
    Part,
    hour_of_part,
    ledger_key,
    ledger_prefix,
    part_key,
    quarantine_key,
    unfinished,
)
from vigil_resources.files.raw_fills import Manifest, OlderLayout
from vigil_resources.files.scratch import scratch_folder
from vigil_resources.files.store import Listed, Store
from vigil_resources.memory import give_back

WORKERS = min(8, os.cpu_count() or 1)
"""Objects decoded at a time, in threads: nearly all of the work is done outside the GIL."""

_READS = 3

_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds to wait for another host: two batches of days decode the hour between them, and the
one that is done first may find it marked unfinished by the other."""


class _Unfinished(LakeIncomplete):
    """What `LakeIncomplete` says of an object that someone may still be at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfLake:
    """One UTC day as the lake holds it."""

    day: date
    parts: list[Part]
    entries: dict[SourceHour, LedgerEntry]
    """The objects its rows came from and those of its own hours."""
    awaits: list[str]
    """Hours, as `YYYYMMDD/HH`, whose objects may hold rows of the day and are not there. Empty:
    the day is final."""

    @property
    def rows(self) -> int:
        """Fills of the day."""
        return sum(part.rows for part in self.parts)

    @property
    def version(self) -> str:
        """Equal exactly when the day's rows, and what is said of them, are."""
        about = sorted(
            (e.name, e.source, e.rejected, e.first_block, e.last_block, len(e.breaks))
            for e in self.entries.values()
        )
        text = json.dumps([[(p.path, p.sha256) for p in self.parts], about, self.awaits])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_ENTRIES: dict[tuple[str, Listed], LedgerEntry] = {}
"""By lake and listing: under the same key, size and etag lies the same entry."""

_MOST_ENTRIES = 20_000
"""A year's and more: some 30 MB."""


class Lake:
    """Fills as Parquet. Every method may be repeated, and interrupted anywhere."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self.store = store
        self._scratch = scratch
        self._readers = threading.local()

    # --- manifests -----------------------------------------------------------------------

    def write_manifest(self, manifest: Manifest) -> None:
        """Keep what was listed, for whoever takes it in."""
        self.store.write(f"manifests/{manifest.day}.json", manifest.to_json())

    def manifest(self, day: date) -> Manifest:
        """The manifest kept last.

        Raises:
            LakeIncomplete: The day was never listed.
        """
        try:
            return Manifest.from_json(self.store.read(f"manifests/{day}.json"))
        except (ObjectMissing, OlderLayout):
            raise LakeIncomplete(
                f"the raw objects of {day} were never listed", f"materialize raw_fills for {day}"
            ) from None

    # --- taking in -----------------------------------------------------------------------

    def entry(self, hour: SourceHour) -> LedgerEntry | None:
        """What became of a source object; None if it was never taken in."""
        try:
            return LedgerEntry.from_json(self.store.read(ledger_key(hour)))
        except ObjectMissing:
            return None

    def _entry(self, hour: SourceHour, listed: Listed | None) -> LedgerEntry | None:
        """The same, read once of what a listing shows: each stage of a backfill asks again."""
        if listed is None:
            return self.entry(hour)
        known = _ENTRIES.get((self.store.root, listed))
        if known is None and (known := self.entry(hour)) is not None:
            if len(_ENTRIES) >= _MOST_ENTRIES:
                _ENTRIES.clear()
            _ENTRIES[self.store.root, listed] = known
        return known

    def stale_objects(
        self, manifest: Manifest, among: Iterable[SourceHour] | None = None
    ) -> dict[SourceHour, Listed]:
        """The objects of a manifest whose present content the lake does not hold (any more)."""
        hours = manifest.objects if among is None else among
        entries = {hour: self.entry(hour) for hour in hours}
        days = {part.day for entry in entries.values() if entry for part in entry.parts}
        there = {item.key for day in days for item in self.store.list(f"fills/day={day}")}
        stale = {}
        for hour, entry in entries.items():
            listed, newer = manifest.objects[hour], _newer(manifest, hour)
            if (
                entry is None
                or not entry.is_current(listed, manifest.source, newer)
                # Lost with a disk, or removed by hand.
                or not {part.path for part in entry.parts} <= there
            ):
                stale[hour] = listed
        return stale

    def take_in_stale(
        self, raw: Store, manifest: Manifest, done: Callable[[LedgerEntry], object]
    ) -> None:
        """Decode what is stale, several objects at a time; newer generations come first.

        An object that cannot be read does not keep the others from being decoded. One that
        another process of this machine decodes meanwhile is waited for.

        Args:
            raw: Where the objects lie.
            manifest: Of the day.
            done: Is told of every object, in the order in which they are ready.

        Raises:
            UnreadableObject: The first of those that could not be read; all others were.
        """
        stale = self.stale_objects(manifest)
        failed: list[UnreadableObject] = []

        def take(hour: SourceHour) -> None:
            try:
                with self._alone(hour):
                    entry = self.entry(hour)
                    if entry is None or self.stale_objects(manifest, [hour]):
                        newer = _newer(manifest, hour)
                        entry = self._take_in(raw, hour, stale[hour], manifest.source, newer)
                done(entry)
            except UnreadableObject as error:
                failed.append(error)

        with ThreadPoolExecutor(WORKERS) as pool:
            for generation in sorted({hour.generation for hour in stale}, reverse=True):
                list(pool.map(take, [h for h in stale if h.generation is generation]))
        if stale:
            give_back()
        if failed:
            raise min(failed, key=lambda error: error.key)

    def take_in(
        self,
        raw: Store,
        hour: SourceHour,
        listed: Listed,
        source: str,
        manifest: Manifest | None = None,
    ) -> LedgerEntry:
        """Decode one source object into the lake, replacing what it gave before.

        Args:
            raw: Where the object lies.
            hour: The object.
            listed: As the listing showed it.
            source: `Manifest.source`.
            manifest: Tells which objects of newer generations hold its fills too.

        Raises:
            UnreadableObject: Its bytes are not whole; the lake is as it was.
        """
        newer = _newer(manifest, hour) if manifest is not None else []
        with self._alone(hour):
            return self._take_in(raw, hour, listed, source, newer)

    def _take_in(
        self, raw: Store, hour: SourceHour, listed: Listed, source: str, newer: list[list[str]]
    ) -> LedgerEntry:
        before = self.entry(hour)
        if before is None:
            self._drop_older_layout(hour)
        entry = LedgerEntry(
            name=hour.name,
            source=source,
            key=listed.key,
            size=listed.size,
            etag=listed.etag,
            newer=newer,
        )
        with scratch_folder(self._scratch) as folder:
            files, quarantine = self._read(raw, listed, entry, folder)
            entry.parts = [_part(day, hour, path) for day, path in sorted(files.items())]
            # Cut off anywhere from here on, the object counts as stale, and the next run
            # finds in this entry what to remove.
            self.store.write(ledger_key(hour), unfinished(before, entry).to_json())
            for part in entry.parts:
                self.store.take_file(part.path, files[date.fromisoformat(part.day)])
            if entry.rejected:
                self.store.write(quarantine_key(hour), quarantine)
        if before is not None:
            for path in {p.path for p in before.parts} - {p.path for p in entry.parts}:
                self.store.delete(path)
            if before.rejected and not entry.rejected:
                self.store.delete(quarantine_key(hour))
        self.store.write(ledger_key(hour), entry.to_json())
        return entry

    @contextmanager
    def _alone(self, hour: SourceHour) -> Iterator[None]:
        """Nobody else on this machine writes what an object gives; a killed one lets go.

        Two who replace it at once would each remove what only the other knows of.
        """
        # The locks are few and stay: one for each object would be a file for ever.
        digest = hashlib.sha256(hour.name.encode()).digest()
        folder = self._scratch / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{digest[0]:02x}").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def put_part(self, hour: SourceHour, source: str, day: date, path: Path | None) -> LedgerEntry:
        """Put finished rows of a day under an object's name; the file is gone then.

        Without a file the object is one without rows. Its etag is what its rows are.
        """
        before = self.entry(hour)
        parts = [_part(day, hour, path)] if path is not None else []
        size = path.stat().st_size if path is not None else 0
        etag = parts[0].sha256 if parts else "empty"
        entry = LedgerEntry(
            name=hour.name, source=source, key=f"sample/{hour.name}", size=size, etag=etag
        )
        entry.parts, entry.rows = parts, sum(part.rows for part in parts)
        self.store.write(ledger_key(hour), unfinished(before, entry).to_json())
        if path is not None:
            self.store.take_file(parts[0].path, path)
        if before is not None:
            for old in {p.path for p in before.parts} - {p.path for p in entry.parts}:
                self.store.delete(old)
        self.store.write(ledger_key(hour), entry.to_json())
        return entry

    def _drop_older_layout(self, hour: SourceHour) -> None:
        """Remove what a Vigil that knew one format only made of an object."""
        name = hour.file_id.replace("/", "-")
        try:
            old = json.loads(self.store.read(f"ledger/{name}.json"))
        except ObjectMissing:
            return
        for part in old["parts"]:
            self.store.delete(part["path"])
        self.store.delete(f"quarantine/{name}.jsonl")
        self.store.delete(f"ledger/{name}.json")

    def _read(
        self, raw: Store, listed: Listed, entry: LedgerEntry, folder: Path
    ) -> tuple[dict[date, Path], Path]:
        """Download and decode; again where it was the way here that may have spoilt the bytes.

        What lies in a directory is read where it lies.
        """
        at_home = raw.local_path(listed.key)
        local = at_home or folder / "object.lz4"
        for attempt in range(1, _READS + 1):
            proved = at_home is not None or raw.download(listed, local)
            if at_home is not None:
                _expect_size(local, listed)
            try:
                return decode(
                    self._reader(),
                    local,
                    entry,
                    folder,
                    lambda days: self._newer_fills(entry, days),
                )
            except UnreadableObject:
                if proved or attempt == _READS:
                    raise
            finally:
                if at_home is None:
                    local.unlink()
        raise AssertionError("unreachable")

    def _reader(self) -> FillReader:
        if not hasattr(self._readers, "reader"):
            self._readers.reader = FillReader()
        reader: FillReader = self._readers.reader
        return reader

    def _newer_fills(self, entry: LedgerEntry, days: list[date]) -> pl.DataFrame:
        """Fills of some days that the lake holds from the entry's newer neighbours."""
        frames = [pl.DataFrame(schema=LAKE_SCHEMA)]
        for name, _ in entry.newer:
            neighbour = self.entry(SourceHour.of_name(name))
            if neighbour is None or not neighbour.is_finished:
                raise LakeIncomplete(
                    f"{entry.name} repeats fills of {name}, which the lake does not hold",
                    f"materialize fills_parquet for {entry.hour.day}",
                )
            wanted = [part for part in neighbour.parts if date.fromisoformat(part.day) in days]
            frames += [self.read_part(part) for part in wanted]
        return pl.concat(frames)

    # --- reading -------------------------------------------------------------------------

    def day(self, day: date) -> DayOfLake:
        """What the lake holds of a day, from its objects and from any other.

        Raises:
            LakeIncomplete: A file lies there that no ledger entry vouches for: an object's
                decoding was interrupted.
        """
        for pause in _PAUSES:
            try:
                return self._day(day)
            except _Unfinished:
                time.sleep(pause)
        return self._day(day)

    def _day(self, day: date) -> DayOfLake:
        hours = hours_of_day(day)
        present = [item.key for item in self.store.list(f"fills/day={day}")]
        vouched = {
            SourceHour.of_name(item.key.rsplit("/", 1)[1].removesuffix(".json")): item
            for prefix in dict.fromkeys(map(ledger_prefix, hours))
            for item in self.store.list(prefix)
        }
        given = {(hour.day, hour.hour) for hour in hours}
        vouched = {hour: item for hour, item in vouched.items() if (hour.day, hour.hour) in given}
        own = {hour for hour in vouched if hour.day == day} | set(map(hour_of_part, present))
        found = {hour: self._entry(hour, vouched.get(hour)) for hour in sorted(own)}
        entries = {hour: entry for hour, entry in found.items() if entry is not None}
        for hour, entry in entries.items():
            if not entry.is_finished:
                raise _Unfinished(
                    f"the decoding of {hour.file_id} was interrupted",
                    f"materialize fills_parquet for {hour.day}",
                )
        parts = [p for e in entries.values() for p in e.parts if p.day == str(day)]
        unvouched = sorted(set(present) ^ {part.path for part in parts})
        if unvouched:
            raise LakeIncomplete(
                f"the lake's {unvouched[0]} and the ledger disagree",
                f"materialize fills_parquet for {hour_of_part(unvouched[0]).day}",
            )
        there = {hour.file_id for hour in vouched}
        return DayOfLake(
            day=day,
            parts=sorted(parts, key=lambda part: part.path),
            entries=entries,
            awaits=[hour.file_id for hour in hours if hour.file_id not in there],
        )

    def read_part(self, part: Part) -> pl.DataFrame:
        """Rows of one part, columns of `LAKE_SCHEMA`, proved by their digest."""
        return read_part_file(pa.BufferReader(self._part_bytes(part)))

    def part_groups(self, part: Part, columns: list[str]) -> Iterator[pa.Table]:
        """The same, a row group at a time and some columns of it, as Arrow has them."""
        file = pq.ParquetFile(
            pa.BufferReader(self._part_bytes(part)), read_dictionary=list(CODED_COLUMNS)
        )
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)

    def rows(self, content: DayOfLake, columns: list[str]) -> pl.DataFrame:
        """Some columns of all fills of a day, in the order of its parts; texts are plain."""
        groups = [
            pl.DataFrame(group).with_columns(pl.selectors.categorical().cast(pl.String))
            for part in content.parts
            for group in self.part_groups(part, columns)
        ]
        return pl.concat([pl.DataFrame(schema={n: LAKE_SCHEMA[n] for n in columns}), *groups])

    def _part_bytes(self, part: Part) -> bytes:
        content = self.store.read(part.path)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise LakeIncomplete(
                f"{part.path} is not what its ledger entry says",
                f"materialize fills_parquet for {part.day}",
            )
        return content

    def rejections(self, hour: SourceHour) -> Iterator[dict[str, Any]]:
        """The quarantined lines of one source object."""
        for line in self.store.read(quarantine_key(hour)).splitlines():
            yield json.loads(line)


def _newer(manifest: Manifest, hour: SourceHour) -> list[list[str]]:
    """Names and etags of the objects that hold fills of an older one too."""
    neighbours = newer_neighbours(hour, set(manifest.objects))
    return [[one.name, manifest.objects[one].etag] for one in neighbours]


def _expect_size(path: Path, listed: Listed) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ObjectMissing(listed.key, str(path)) from None
    if size != listed.size:
        raise UnreadableObject(listed.key, f"{size} bytes are there, {listed.size} were listed")


def _part(day: date, hour: SourceHour, path: Path) -> Part:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Part(
        day=str(day),
        path=part_key(str(day), hour),
        rows=pq.read_metadata(path).num_rows,
        sha256=digest,
    )
