"""Balances: Artemis' objects of a UTC day → two Parquet files in the lake.

    perp_balances/day=2025-11-02/positions.parquet   one row per position, by address and coin
    perp_balances/day=2025-11-02/accounts.parquet    one row per account, by address
    perp_balances/day=2025-11-02/entry.json          what became of the objects
    quarantine/perp_balances-20251102.jsonl          their lines that are no records, as they came

A day is taken in whole or not at all. Its entry is removed before the first file changes and
written after the last one, which is the commit: without an entry there is no day. The same
objects give the same bytes.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.exceptions import BaseError

from vigil_core.artemis.balances import (
    ACCOUNT_SCHEMA,
    POSITION_SCHEMA,
    BalancesDay,
    BalancesRefused,
    merged,
    probe,
    read_object,
)
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import LakeIncomplete, ObjectMissing, StoreFailed, UnreadableObject
from vigil_resources.files.quarantine import quarantine_line
from vigil_resources.files.raw_fills import SANDBOX_MARKER
from vigil_resources.files.scratch import scratch_folder
from vigil_resources.files.store import Listed, Store

READER_VERSION = 1
"""Raise when the same objects would give other rows or another entry: all days are then stale."""

REAL, DOCUMENTED = "perp_and_spot_balances", "perp_balances"
"""Where the objects are, and where early documentation has them. An entry's `layout`."""

_PREFIX = "perp_balances"
_ENTRY_KEY = re.compile(rf"{_PREFIX}/day=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/entry\.json")
_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1 << 18
_ROW_GROUP = 65_536


@dataclass(slots=True, kw_only=True)
class TakenObject:
    """One object of a day: lines = records + metadata + without positions + rejected + blank."""

    key: str
    size: int
    """Bytes, as listed."""
    etag: str
    sha256: str
    """Of the object as it came, compressed or not."""
    compression: str
    """`gzip` or `none`, by its first bytes."""
    lines: int
    records: int
    metadata_lines: int
    lines_without_positions: int
    rejected: int
    impossible_times: int
    """Of the rejected."""
    blank_lines: int
    positions_read: int
    positions_at: dict[str, int]
    """Records per place of the list of positions."""
    time_encodings: dict[str, int]
    """Records per `iso`, `ms` and `none`."""
    record_share: float
    """Records among the lines that are neither blank nor metadata; a fraction."""
    first_ms: int | None
    last_ms: int | None
    """Of the records' times, ms UTC; None where no record has one."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """What became of a day's objects. Lines and records are sums over them."""

    day: str
    source: str
    """`hyperliquid`, or `sandbox` where the root says that all is simulated."""
    layout: str
    """`REAL` or `DOCUMENTED`."""
    ignored: list[str] = field(default_factory=list)
    """Keys that lay there when the day was read and were left out: objects of the documented
    layout beside the real one, deeper folders, empty markers."""
    objects: list[TakenObject]
    version: int
    """`READER_VERSION` when it was read."""
    lines: int
    records: int
    metadata_lines: int
    lines_without_positions: int
    rejected: int
    impossible_times: int
    blank_lines: int
    compressions: dict[str, int]
    """Objects per compression."""
    positions_at: dict[str, int]
    time_encodings: dict[str, int]
    record_share: float
    first_ms: int | None
    last_ms: int | None
    recorded_at: int
    """The instant all of it was known, ms UTC; the day's end where a record has no time."""
    accounts: int
    """Rows: the latest record of each address."""
    accounts_of_other_days: int
    """Of the rows, those whose own time is not of this day."""
    positions: int
    positions_bytes: int
    positions_sha256: str
    accounts_bytes: int
    accounts_sha256: str

    def to_json(self) -> bytes:
        """The entry as the lake holds it."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Entry":
        """The entry that `to_json` wrote.

        Raises:
            ValueError: It is none, or one of a Vigil that kept other fields.
        """
        try:
            kept = json.loads(text)
            kept["objects"] = [TakenObject(**item) for item in kept["objects"]]
            return cls(**kept)
        except (TypeError, KeyError) as error:
            raise ValueError(f"no entry of balances: {error}") from None


@dataclass(frozen=True, slots=True)
class _Found:
    """What the root has for a day."""

    layout: str
    objects: list[Listed]
    ignored: list[str]


class PerpBalances:
    """Takes days of balances into the lake. Every method may be repeated and interrupted.

    Args:
        artemis: Root of Artemis' copies, read only.
        lake: Where the days are kept.
        scratch: Holds one object at a time, while it is read.
    """

    def __init__(self, artemis: Store, lake: Store, scratch: Path) -> None:
        self.artemis = artemis
        self.lake = lake
        self._scratch = scratch

    # --- the source ------------------------------------------------------------------------

    def listing(self, day: date) -> list[Listed]:
        """The objects that a day is made of now, by key; empty if there is none.

        Those of the real layout, else those of the documented one; names do not matter.

        Raises:
            StoreFailed: The root could not be listed.
        """
        return self._found(day).objects

    def _found(self, day: date) -> _Found:
        real, real_ignored = self._listed(_real_prefix(day))
        documented, ignored = self._listed(_documented_prefix(day))
        ignored = real_ignored + ignored
        if real:
            return _Found(REAL, real, ignored + [item.key for item in documented])
        return _Found(DOCUMENTED, documented, ignored)

    def _listed(self, prefix: str) -> tuple[list[Listed], list[str]]:
        try:
            items = self.artemis.list(prefix)
        except BaseError as error:
            raise StoreFailed(self.artemis.root, str(error).splitlines()[0]) from None
        objects = [item for item in items if _is_object(item, prefix)]
        return objects, [item.key for item in items if item not in objects]

    def _source(self) -> str:
        try:
            self.artemis.read(SANDBOX_MARKER)
        except ObjectMissing:
            return "hyperliquid"
        return "sandbox"

    # --- taking in -------------------------------------------------------------------------

    def take_in(self, day: date) -> Entry:
        """Read a day's objects into the lake, unless it holds their present content.

        Raises:
            ObjectMissing: There is no object of that day.
            StoreFailed: The root could not be listed.
            UnreadableObject: One of the objects came in part, is gone since it was listed, or
                cannot be what it should be; the lake is as it was.
        """
        found, source = self._found(day), self._source()
        if not found.objects:
            places = f"{_real_prefix(day)}* or {_documented_prefix(day)}*"
            raise ObjectMissing(places, self.artemis.root)
        kept = self.finished(day)
        if kept is not None and self._is_current(kept, day, found, source):
            return kept
        with scratch_folder(self._scratch) as folder:
            quarantine = folder / "quarantine.jsonl"
            objects, balances = self._read_all(found.objects, folder, quarantine)
            positions, accounts = folder / "positions.parquet", folder / "accounts.parquet"
            _write_parquet(balances.positions, positions, sorted_by=2)
            _write_parquet(balances.accounts, accounts, sorted_by=1)
            entry = _entry(day, source, found, objects, balances, positions, accounts)
            # Cut off anywhere from here on, the day has no entry, and is not read.
            self.lake.delete(_entry_key(day))
            self.lake.take_file(positions_key(day), positions)
            self.lake.take_file(accounts_key(day), accounts)
            if entry.rejected:
                self.lake.take_file(_quarantine_key(day), quarantine)
            else:
                self.lake.delete(_quarantine_key(day))
        self.lake.write(_entry_key(day), entry.to_json())
        return entry

    def is_current(self, day: date) -> bool:
        """Whether the lake holds what lies at the source now; also where neither has the day."""
        found, kept = self._found(day), self.finished(day)
        if kept is None:
            return not found.objects
        return self._is_current(kept, day, found, self._source())

    def _is_current(self, entry: Entry, day: date, found: _Found, source: str) -> bool:
        here = [Listed(item.key, item.size, item.etag) for item in entry.objects]
        if (here, entry.source, entry.version) != (found.objects, source, READER_VERSION):
            return False
        sizes = {item.key: item.size for item in self.lake.list(_folder(day))}
        expected = {
            positions_key(day): entry.positions_bytes,
            accounts_key(day): entry.accounts_bytes,
        }
        return expected.items() <= sizes.items()

    def _read_all(
        self, listed: list[Listed], folder: Path, quarantine: Path
    ) -> tuple[list[TakenObject], BalancesDay]:
        """Read the objects one after the other, each gone from disk before the next comes."""
        local = folder / "object"
        objects: list[TakenObject] = []
        parts: list[BalancesDay] = []
        with quarantine.open("wb") as rejected:
            for item in listed:
                taken, part = self._read(item, local)
                local.unlink()
                rejected.writelines(quarantine_line(r, key=item.key) for r in part.rejected)
                objects.append(taken)
                # Rejected lines of all objects together need not fit into memory.
                parts.append(replace(part, rejected=[]))
        return objects, merged(parts)

    def _read(self, listed: Listed, local: Path) -> tuple[TakenObject, BalancesDay]:
        try:
            self.artemis.download(listed, local)
        except ObjectMissing:
            # The day is not missing: it would be taken in without this part of it.
            raise UnreadableObject(listed.key, "it is gone since it was listed") from None
        with local.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            compression = "gzip" if file.read(len(_GZIP)) == _GZIP else "none"
            file.seek(0)
            balances = _read_object(file, listed.key, compression)
        return _taken(listed, digest, compression, balances), balances

    # --- reading ---------------------------------------------------------------------------

    def finished(self, day: date) -> Entry | None:
        """What became of a day's objects; None if the lake does not hold the day whole."""
        try:
            return Entry.from_json(self.lake.read(_entry_key(day)))
        except (ObjectMissing, ValueError):
            # An entry that says something else than this Vigil's is no promise: read it anew.
            return None

    def days(self) -> list[date]:
        """The days that the lake holds whole, in order."""
        keys = (_ENTRY_KEY.fullmatch(item.key) for item in self.lake.list(_PREFIX))
        listed = sorted(date.fromisoformat(match[1]) for match in keys if match)
        return [day for day in listed if self.finished(day) is not None]

    def version(self, day: date) -> str | None:
        """Equal exactly when a day's rows, their source and `recorded_at` are; None without it.

        The same content under new etags has the same version.
        """
        entry = self.finished(day)
        if entry is None:
            return None
        about = [entry.positions_sha256, entry.accounts_sha256, entry.source, entry.recorded_at]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]

    def positions(self, day: date) -> pl.DataFrame:
        """Positions of a day by address and coin: columns and units of `POSITION_SCHEMA`.

        Raises:
            LakeIncomplete: The lake does not hold the day, or another file than it says.
        """
        digest = self._expect(day).positions_sha256
        return self._rows(day, positions_key(day), digest, POSITION_SCHEMA)

    def accounts(self, day: date) -> pl.DataFrame:
        """Accounts of a day by address: columns and units of `ACCOUNT_SCHEMA`.

        Raises:
            LakeIncomplete: The lake does not hold the day, or another file than it says.
        """
        digest = self._expect(day).accounts_sha256
        return self._rows(day, accounts_key(day), digest, ACCOUNT_SCHEMA)

    def rejections(self, day: date) -> Iterator[dict[str, Any]]:
        """The quarantined lines of a day, by object and line. Raises `LakeIncomplete`."""
        if self._expect(day).rejected:
            for line in self.lake.read(_quarantine_key(day)).splitlines():
                yield json.loads(line)

    def _expect(self, day: date) -> Entry:
        entry = self.finished(day)
        if entry is None:
            what = f"the balances of {day} were never taken in, or not to the end"
            raise LakeIncomplete(what, _remedy(day))
        return entry

    def _rows(
        self, day: date, key: str, digest: str, schema: dict[str, pl.DataType]
    ) -> pl.DataFrame:
        try:
            content = self.lake.read(key)
        except ObjectMissing:
            raise LakeIncomplete(f"{key} is gone", _remedy(day)) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise LakeIncomplete(f"{key} is not what its ledger entry says", _remedy(day))
        table = pq.read_table(pa.BufferReader(content))
        return pl.DataFrame(pl.from_arrow(table)).cast(schema)  # type: ignore[arg-type]


def positions_key(day: date) -> str:
    """Where the lake has the positions of a day."""
    return f"{_folder(day)}/positions.parquet"


def accounts_key(day: date) -> str:
    """Where the lake has the accounts of a day."""
    return f"{_folder(day)}/accounts.parquet"


def _folder(day: date) -> str:
    return f"{_PREFIX}/day={day}"


def _entry_key(day: date) -> str:
    return f"{_folder(day)}/entry.json"


def _quarantine_key(day: date) -> str:
    return f"quarantine/{_PREFIX}-{day:%Y%m%d}.jsonl"


def _remedy(day: date) -> str:
    return f"materialize perp_balances_parquet for {day}"


def _real_prefix(day: date) -> str:
    return f"{REAL}/{day:%Y/%m/%d}/"


def _documented_prefix(day: date) -> str:
    return f"{DOCUMENTED}/{day}/"


def _is_object(listed: Listed, prefix: str) -> bool:
    """Whether it lies right below the prefix and is no mark that a writer left, as `_SUCCESS`."""
    name = listed.key.removeprefix(prefix)
    is_marker = not listed.size and name.startswith(("_", "."))
    return "/" not in name and not is_marker


# --- one object ----------------------------------------------------------------------------


def _read_object(file: BinaryIO, key: str, compression: str) -> BalancesDay:
    """Raises `UnreadableObject`."""
    try:
        if compression == "gzip":
            with gzip.open(file) as text:
                balances = read_object(_pieces(text))
        else:
            balances = read_object(_pieces(file))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableObject(key, f"gzip stream broken: {error}") from None
    if not balances.lines:
        # Nobody holding anything is a line that says so; no line is an object cut short.
        raise UnreadableObject(key, "there is no line in it")
    return balances


def _pieces(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    return iter(partial(file.read, _PIECE_BYTES), b"")


def _taken(listed: Listed, digest: str, compression: str, balances: BalancesDay) -> TakenObject:
    try:
        looks = probe(balances)
    except BalancesRefused as error:
        raise UnreadableObject(listed.key, str(error)) from None
    return TakenObject(
        key=listed.key,
        size=listed.size,
        etag=listed.etag,
        sha256=digest,
        compression=compression,
        lines=balances.lines,
        records=balances.records,
        metadata_lines=balances.metadata_lines,
        lines_without_positions=balances.lines_without_positions,
        rejected=len(balances.rejected),
        impossible_times=balances.impossible_times,
        blank_lines=balances.blank_lines,
        positions_read=balances.positions_read,
        positions_at=looks.layouts,
        time_encodings=looks.time_encodings,
        record_share=looks.record_share,
        first_ms=looks.first_ms,
        last_ms=looks.last_ms,
    )


# --- the day -------------------------------------------------------------------------------


def _entry(
    day: date,
    source: str,
    found: _Found,
    objects: list[TakenObject],
    balances: BalancesDay,
    positions: Path,
    accounts: Path,
) -> Entry:
    start = day_start_ms(day)
    is_of_day = pl.col("recorded_at").is_between(start, start + DAY_MS, closed="left")
    expected = balances.lines - balances.blank_lines - balances.metadata_lines
    times = [t for item in objects for t in (item.first_ms, item.last_ms) if t is not None]
    return Entry(
        day=str(day),
        source=source,
        layout=found.layout,
        ignored=found.ignored,
        objects=objects,
        version=READER_VERSION,
        lines=balances.lines,
        records=balances.records,
        metadata_lines=balances.metadata_lines,
        lines_without_positions=balances.lines_without_positions,
        rejected=sum(item.rejected for item in objects),
        impossible_times=balances.impossible_times,
        blank_lines=balances.blank_lines,
        compressions=dict(Counter(item.compression for item in objects)),
        positions_at=dict(balances.layouts),
        time_encodings=dict(balances.time_encodings),
        record_share=balances.records / expected,
        first_ms=min(times, default=None),
        last_ms=max(times, default=None),
        recorded_at=balances.recorded_at(start + DAY_MS),
        accounts=balances.accounts.height,
        accounts_of_other_days=balances.accounts.filter(~is_of_day).height,
        positions=balances.positions.height,
        positions_bytes=positions.stat().st_size,
        positions_sha256=_digest(positions),
        accounts_bytes=accounts.stat().st_size,
        accounts_sha256=_digest(accounts),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_parquet(rows: pl.DataFrame, path: Path, *, sorted_by: int) -> None:
    """Write rows that are sorted by their first columns, `sorted_by` of them."""
    pq.write_table(
        rows.to_arrow(compat_level=pl.CompatLevel.oldest()),
        path,
        compression="zstd",
        compression_level=3,
        row_group_size=_ROW_GROUP,
        write_statistics=True,
        sorting_columns=[pq.SortingColumn(number) for number in range(sorted_by)],
    )
