"""The Parquet lake: fills by the UTC day of their own time, one part per source object.

    fills/day=2026-03-14/20260315-00.parquet    rows of that day found in that object
    quarantine/20260315-00.jsonl                its lines that are no blocks, as they came
    ledger/20260315-00.json                     what became of the object
    manifests/2026-03-15.json                   the objects listed for a day

An object is taken in whole or not at all. Its ledger entry is written twice: before its files,
as unfinished, so that whatever an interruption leaves behind is known by name; and last, which
is the commit. The same object gives the same bytes.
"""

import base64
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vigil_core.calendar import DAY_MS, HOUR_MS, day_of
from vigil_core.errors import LakeIncomplete, ObjectMissing, UnreadableObject
from vigil_core.fills.node_format import Rejection, decode_lines
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.fills.source_keys import day_prefix, hours_of_day
from vigil_resources.lz4_lines import BrokenFrame, line_batches
from vigil_resources.store import Listed, Store, read_chunks

DECODER_VERSION = 1
"""Raise when the same object would give other rows: all its parts are then stale."""

_UNFINISHED = 0
"""In place of the decoder's version: the entry names what may lie there, nothing is vouched for."""

SANDBOX_MARKER = "sandbox.json"
"""An object of this name at a raw root says that everything there is simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The source objects of one day, as the listing showed them."""

    day: date
    source: str
    """Which root they came from: `hyperliquid`, or `sandbox` where all is simulated."""
    objects: dict[str, Listed]
    """By file id. Hour 0 of the next day is among them: it holds the day's last blocks."""

    @property
    def own(self) -> dict[str, Listed]:
        """The objects of the day's own 24 hours."""
        return {f: o for f, o in self.objects.items() if f.startswith(f"{self.day:%Y%m%d}/")}

    @property
    def missing_hours(self) -> list[int]:
        """Hours of the day without an object."""
        own = self.own
        return [h.hour for h in hours_of_day(self.day)[:-1] if h.file_id not in own]

    @property
    def version(self) -> str:
        """Changes when an object appears or its content does."""
        text = json.dumps([self.source, [[f, o.size, o.etag] for f, o in self.objects.items()]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of one day found in one source object."""

    day: str
    path: str
    rows: int
    sha256: str

    @property
    def file_id(self) -> str:
        """The object it came from."""
        return _file_id(self.path)


@dataclass(slots=True, kw_only=True)
class LedgerEntry:
    """What became of one source object: lines = blocks + rejected + blank."""

    file_id: str
    source: str
    key: str
    size: int
    etag: str
    decoder_version: int = DECODER_VERSION
    lines: int = 0
    blank_lines: int = 0
    empty_blocks: int = 0
    first_block: int | None = None
    last_block: int | None = None
    rows: int = 0
    rows_by_hour: dict[str, int] = field(default_factory=dict)
    """By the hour of the fill's own time, `YYYYMMDD/HH`."""
    rejected: int = 0
    unknown_keys: dict[str, int] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    def to_json(self) -> bytes:
        """The entry as the lake holds it."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> "LedgerEntry":
        """The entry that `to_json` wrote."""
        values = json.loads(text)
        return cls(**(values | {"parts": [Part(**part) for part in values["parts"]]}))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfLake:
    """One UTC day as the lake holds it."""

    day: date
    parts: list[Part]
    entries: dict[str, LedgerEntry]
    """The objects its rows came from and those of its own hours, by file id."""

    @property
    def rows(self) -> int:
        """Fills of the day."""
        return sum(part.rows for part in self.parts)

    @property
    def version(self) -> str:
        """Equal exactly when the day's rows, and what was rejected beside them, are."""
        rejected = sorted((e.file_id, e.source, e.rejected) for e in self.entries.values())
        text = json.dumps([[(p.path, p.sha256) for p in self.parts], rejected])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class RawFills:
    """The node's hourly objects, in its bucket or in a directory of the same layout."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def source(self) -> str:
        """`sandbox` where the root says that it is simulated, else `hyperliquid`."""
        try:
            self.store.read(SANDBOX_MARKER)
        except ObjectMissing:
            return "hyperliquid"
        return "sandbox"

    def manifest(self, day: date) -> Manifest:
        """List what there is for a day; a missing hour is simply not among it."""
        wanted = {hour.key: hour.file_id for hour in hours_of_day(day)}
        prefixes = dict.fromkeys(day_prefix(hour.day) for hour in hours_of_day(day))
        listed = [item for prefix in prefixes for item in self.store.list(prefix)]
        found = {wanted[item.key]: item for item in listed if item.key in wanted}
        return Manifest(day=day, source=self.source, objects=dict(sorted(found.items())))


class Lake:
    """Fills as Parquet. Every method may be repeated, and interrupted anywhere."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self.store = store
        self._scratch = scratch

    def write_manifest(self, manifest: Manifest) -> None:
        """Keep what was listed, for whoever takes it in."""
        content = {
            "day": manifest.day.isoformat(),
            "source": manifest.source,
            "objects": [[f, o.key, o.size, o.etag] for f, o in manifest.objects.items()],
            "missing_hours": manifest.missing_hours,
        }
        text = json.dumps(content, indent=1) + "\n"
        self.store.write(f"manifests/{manifest.day}.json", text.encode())

    def manifest(self, day: date) -> Manifest:
        """The manifest kept last.

        Raises:
            LakeIncomplete: The day was never listed.
        """
        try:
            kept = json.loads(self.store.read(f"manifests/{day}.json"))
        except ObjectMissing:
            raise LakeIncomplete(
                f"the raw objects of {day} were never listed", f"materialize raw_fills for {day}"
            ) from None
        objects = {f: Listed(key, size, etag) for f, key, size, etag in kept["objects"]}
        return Manifest(day=day, source=kept["source"], objects=objects)

    def entry(self, file_id: str) -> LedgerEntry | None:
        """What became of a source object; None if it was never taken in."""
        try:
            return LedgerEntry.from_json(self.store.read(_ledger_key(file_id)))
        except ObjectMissing:
            return None

    def stale_objects(self, manifest: Manifest) -> dict[str, Listed]:
        """The objects of a manifest whose present content the lake does not hold yet."""
        return {
            file_id: listed
            for file_id, listed in manifest.objects.items()
            if not _is_current(self.entry(file_id), listed, manifest.source)
        }

    def take_in(self, raw: Store, file_id: str, listed: Listed, source: str) -> LedgerEntry:
        """Decode one source object into the lake, replacing what it gave before.

        Raises:
            UnreadableObject: Its bytes are not whole; the lake is as it was.
        """
        before = self.entry(file_id)
        entry = LedgerEntry(
            file_id=file_id, source=source, key=listed.key, size=listed.size, etag=listed.etag
        )
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            local = Path(folder) / "object.lz4"
            raw.download(listed, local)
            files, quarantine = _decode(local, entry, Path(folder))
            entry.parts = [_part(day, file_id, path) for day, path in sorted(files.items())]
            # Cut off anywhere from here on, the object counts as stale, and the next run
            # finds in this entry what to remove.
            self.store.write(_ledger_key(file_id), _unfinished(before, entry).to_json())
            for part in entry.parts:
                self.store.write(part.path, files[date.fromisoformat(part.day)])
            if entry.rejected:
                self.store.write(_quarantine_key(file_id), quarantine)
        if before is not None:
            for path in {p.path for p in before.parts} - {p.path for p in entry.parts}:
                self.store.delete(path)
            if before.rejected and not entry.rejected:
                self.store.delete(_quarantine_key(file_id))
        self.store.write(_ledger_key(file_id), entry.to_json())
        return entry

    def day(self, day: date) -> DayOfLake:
        """What the lake holds of a day, from its objects and from any other.

        Raises:
            LakeIncomplete: A file lies there that no ledger entry vouches for: an object's
                decoding was interrupted.
        """
        ids = [hour.file_id for hour in hours_of_day(day)[:-1]]
        present = [item.key for item in self.store.list(f"fills/day={day}")]
        ids += [_file_id(key) for key in present]
        found = {file_id: self.entry(file_id) for file_id in dict.fromkeys(ids)}
        entries = {f: e for f, e in sorted(found.items()) if e is not None}
        for file_id, entry in entries.items():
            if entry.decoder_version == _UNFINISHED:
                raise LakeIncomplete(
                    f"the decoding of {file_id} was interrupted",
                    f"materialize fills_parquet for {_directory_day(file_id)}",
                )
        parts = [p for e in entries.values() for p in e.parts if p.day == str(day)]
        unvouched = sorted(set(present) ^ {part.path for part in parts})
        if unvouched:
            raise LakeIncomplete(
                f"the lake's {unvouched[0]} and the ledger disagree",
                f"materialize fills_parquet for {_directory_day(_file_id(unvouched[0]))}",
            )
        return DayOfLake(day=day, parts=sorted(parts, key=lambda p: p.path), entries=entries)

    def read_part(self, part: Part) -> pl.DataFrame:
        """Rows of one part, columns of `LAKE_SCHEMA`, proved by their digest."""
        content = self.store.read(part.path)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise LakeIncomplete(
                f"{part.path} is not what its ledger entry says",
                f"materialize fills_parquet for {part.day}",
            )
        table = pq.read_table(pa.BufferReader(content))
        return pl.DataFrame(pl.from_arrow(table)).cast(LAKE_SCHEMA)  # type: ignore[arg-type]

    def rejections(self, file_id: str) -> Iterator[dict[str, Any]]:
        """The quarantined lines of one source object."""
        for line in self.store.read(_quarantine_key(file_id)).splitlines():
            yield json.loads(line)


def _decode(local: Path, entry: LedgerEntry, folder: Path) -> tuple[dict[date, Path], Path]:
    """Decode a local object into one Parquet file per day, and fill in its entry's counts."""
    files: dict[date, Path] = {}
    writers: dict[date, pq.ParquetWriter] = {}
    unknown: Counter[str] = Counter()
    hours: Counter[str] = Counter()
    quarantine = folder / "quarantine.jsonl"
    with ExitStack() as stack, quarantine.open("wb") as rejected_file:
        try:
            for batch in line_batches(read_chunks(local)):
                decoded = decode_lines(
                    batch.lines, line_number=batch.line_number, byte_offset=batch.byte_offset
                )
                entry.lines += decoded.lines
                entry.blank_lines += decoded.blank_lines
                entry.empty_blocks += decoded.empty_blocks
                entry.rows += decoded.fills.height
                entry.rejected += len(decoded.rejected)
                if entry.first_block is None:
                    entry.first_block = decoded.first_block
                entry.last_block = decoded.last_block or entry.last_block
                unknown.update(decoded.unknown_keys)
                hours.update(_rows_by_hour(decoded.fills))
                rejected_file.writelines(_rejection_line(entry, r) for r in decoded.rejected)
                for day, rows in _by_day(decoded.fills):
                    if day not in writers:
                        files[day] = folder / f"{day}.parquet"
                        writers[day] = stack.enter_context(_writer(files[day]))
                    writers[day].write_table(_table(rows))
        except BrokenFrame as error:
            raise UnreadableObject(entry.key, str(error)) from None
    entry.unknown_keys = dict(sorted(unknown.items()))
    entry.rows_by_hour = dict(sorted(hours.items()))
    return files, quarantine


def _part(day: date, file_id: str, path: Path) -> Part:
    return Part(
        day=str(day),
        path=_part_key(day, file_id),
        rows=pq.read_metadata(path).num_rows,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _unfinished(before: LedgerEntry | None, entry: LedgerEntry) -> LedgerEntry:
    """Names every file that may lie there until the entry proper is written."""
    old = before.parts if before is not None else []
    parts = {part.path: part for part in [*old, *entry.parts]}
    rejected = max(before.rejected if before is not None else 0, entry.rejected)
    return replace(
        entry, decoder_version=_UNFINISHED, parts=list(parts.values()), rejected=rejected
    )


def _rows_by_hour(fills: pl.DataFrame) -> dict[str, int]:
    counted = fills.group_by(pl.col("time") // HOUR_MS).len()
    return {
        f"{day_of(hour * HOUR_MS):%Y%m%d}/{hour % 24:02d}": rows
        for hour, rows in counted.iter_rows()
    }


def _by_day(fills: pl.DataFrame) -> Iterable[tuple[date, pl.DataFrame]]:
    day = (fills["time"] // DAY_MS).alias("_day")
    for (number,), rows in (
        fills.with_columns(day)
        .partition_by("_day", as_dict=True, include_key=False, maintain_order=True)
        .items()
    ):
        yield day_of(int(number) * DAY_MS), rows


def _table(rows: pl.DataFrame) -> pa.Table:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_ARROW_SCHEMA)


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        _ARROW_SCHEMA,
        compression="zstd",
        compression_level=3,
        # A dictionary pays where values repeat; on hashes and ids it only costs.
        use_dictionary=["user_address", "coin", "side", "dir", "fee_token", "builder", "px"],
        write_statistics=True,
    )


def _rejection_line(entry: LedgerEntry, rejection: Rejection) -> bytes:
    text = rejection.raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    record: dict[str, Any] = {
        "file_id": entry.file_id,
        "key": entry.key,
        "line_number": rejection.line_number,
        "byte_offset": rejection.byte_offset,
        "reason": rejection.reason,
        "raw": text,
    }
    if text.encode() != rejection.raw:
        record["raw_base64"] = base64.b64encode(rejection.raw).decode()
    return (json.dumps(record) + "\n").encode()


def _is_current(entry: LedgerEntry | None, listed: Listed, source: str) -> bool:
    return entry is not None and (entry.size, entry.etag, entry.source, entry.decoder_version) == (
        listed.size,
        listed.etag,
        source,
        DECODER_VERSION,
    )


def _part_key(day: date, file_id: str) -> str:
    return f"fills/day={day}/{file_id.replace('/', '-')}.parquet"


def _ledger_key(file_id: str) -> str:
    return f"ledger/{file_id.replace('/', '-')}.json"


def _quarantine_key(file_id: str) -> str:
    return f"quarantine/{file_id.replace('/', '-')}.jsonl"


def _directory_day(file_id: str) -> date:
    return date.fromisoformat(file_id.partition("/")[0])


def _file_id(part_key: str) -> str:
    return part_key.rsplit("/", 1)[1].removesuffix(".parquet").replace("-", "/")


_ARROW_SCHEMA: pa.Schema = (
    pl.DataFrame(schema=LAKE_SCHEMA).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
)
