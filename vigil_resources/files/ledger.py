"""What became of each source object: the entries that vouch for the lake's files."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vigil_core.fills.reading import Break
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.files.store import Listed

DECODER_VERSION = 2
"""Raise when the same object would give other rows: all its parts are then stale."""

_UNFINISHED = 0
"""In place of the decoder's version: the entry names what may lie there, nothing is vouched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of one day found in one source object."""

    day: str
    path: str
    rows: int
    sha256: str

    @property
    def hour(self) -> SourceHour:
        """The object it came from."""
        return hour_of_part(self.path)


@dataclass(slots=True, kw_only=True)
class LedgerEntry:
    """What became of one source object: lines = blocks + rejected + blank."""

    name: str
    """`SourceHour.name`."""
    source: str
    key: str
    size: int
    etag: str
    newer: list[list[str]] = field(default_factory=list)
    """Names and etags of the objects of newer generations whose fills were left out here."""
    decoder_version: int = DECODER_VERSION
    lines: int = 0
    blank_lines: int = 0
    empty_blocks: int = 0
    slow_lines: int = 0
    first_block: int | None = None
    first_ms: int | None = None
    last_block: int | None = None
    last_ms: int | None = None
    breaks: list[Break] = field(default_factory=list)
    """Where block numbers do not follow one another inside the object."""
    rows: int = 0
    repeated: int = 0
    """Fills that the object held more than once; kept once."""
    superseded: int = 0
    """Fills left out because a newer generation holds them."""
    rows_by_hour: dict[str, int] = field(default_factory=dict)
    """By the hour of the fill's own time, `YYYYMMDD/HH`."""
    rejected: int = 0
    unknown_keys: dict[str, int] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    @property
    def hour(self) -> SourceHour:
        """The object."""
        return SourceHour.of_name(self.name)

    @property
    def is_finished(self) -> bool:
        """Whether the files it names are all there."""
        return self.decoder_version != _UNFINISHED

    @property
    def content_sha(self) -> str:
        """SHA-256 over the digests of its parts: `load_progress` keeps it."""
        digests = "".join(part.sha256 for part in self.parts)
        return hashlib.sha256(digests.encode()).hexdigest()

    def is_current(self, listed: Listed, source: str, newer: list[list[str]]) -> bool:
        """Whether the lake holds just what taking this object in would give now."""
        kept = (self.size, self.etag, self.source, self.newer, self.decoder_version)
        return kept == (listed.size, listed.etag, source, newer, DECODER_VERSION)

    def to_json(self) -> bytes:
        """The entry as the lake holds it."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> "LedgerEntry":
        """The entry that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        # An entry of another decoder may know other things; its files are all that matters.
        known = {name: value for name, value in values.items() if name in cls.__slots__}
        parts = [Part(**part) for part in known["parts"]]
        breaks = [Break(**one) for one in known.get("breaks", [])]
        return cls(**(known | {"parts": parts, "breaks": breaks}))


def unfinished(before: LedgerEntry | None, entry: LedgerEntry) -> LedgerEntry:
    """Names every file that may lie there until the entry proper is written."""
    old = before.parts if before is not None else []
    parts = {part.path: part for part in [*old, *entry.parts]}
    rejected = max(before.rejected if before is not None else 0, entry.rejected)
    return replace(
        entry, decoder_version=_UNFINISHED, parts=list(parts.values()), rejected=rejected
    )


def part_key(day: str, hour: SourceHour) -> str:
    """Where the rows of a day that an object gave lie."""
    return f"fills/day={day}/{hour.name}.parquet"


def ledger_key(hour: SourceHour) -> str:
    """Where an object's entry lies."""
    return f"{ledger_prefix(hour)}{hour.name}.json"


def ledger_prefix(hour: SourceHour) -> str:
    """Where the entries of a directory day lie."""
    return f"ledger/{hour.day:%Y%m%d}/"


def quarantine_key(hour: SourceHour) -> str:
    """Where the lines of an object that are none of its format lie."""
    return f"quarantine/{hour.name}.jsonl"


def hour_of_part(key: str) -> SourceHour:
    """The object that a part came from."""
    return SourceHour.of_name(key.rsplit("/", 1)[1].removesuffix(".parquet"))
