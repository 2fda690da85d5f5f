"""Odd bytes through the readers of fills, against readers that share no code with them.

What is checked of any bytes: no crash; each row, in every column, that of the slow reader; each
rejected line at its number and its offset, with its bytes and a reason that a database can hold;
lines = taken + rejected + blank; and nothing of it dependent on where the bytes were cut.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import lz4.frame
import polars as pl
import pyarrow as pa

from chaos.campaigns import Campaign, Context, Outcome
from chaos.odd_lines import BLOCKS, EVENTS, NODE_LEAVES, TRADES, OddLines
from tests.reference import slow_older_generations, slow_reader
from vigil_core.fills import node_format, reading
from vigil_core.fills.arrow import CODED_COLUMNS, plain
from vigil_core.fills.reading import FillReader, Found, LineFormat
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.rejections import Rejection
from vigil_resources.files.lz4_lines import BrokenFrame, decompressed
from vigil_resources.files.quarantine import quarantine_line

SEEDS: dict[LineFormat, list[Any]] = {
    LineFormat.BLOCK: BLOCKS,
    LineFormat.EVENT: EVENTS,
    LineFormat.TRADE: TRADES,
}
_GROUP_ROWS = (1, 2, 7, 64, 65_536)
_BUFFER_BYTES = (64, 1_000, 4_096, 1 << 20)
_JSON_COLUMNS = ("liquidation", "extra", "block_extra")


class Disagreement(AssertionError):
    """What a reader made of bytes is not what it should be."""


def expect(holds: object, what: str, *seen: object) -> None:
    """Raises `Disagreement` where it does not hold."""
    if not holds:
        raise Disagreement(f"{what}: {' / '.join(ascii(one)[:400] for one in seen)}")


# --- what the slow readers say -----------------------------------------------------------------


def slow_rows(line: bytes, number: int, line_format: LineFormat) -> list[dict[str, Any]]:
    """Rows of one line, in every column of the lake. Raises `RejectedLineError`."""
    if line_format is LineFormat.EVENT:
        return slow_older_generations.read_fill_line(line, number)
    if line_format is LineFormat.TRADE:
        return slow_older_generations.read_trade_line(line, number)
    rows = slow_reader.read_block(line)
    block = slow_reader.parse_json(line)
    beyond = {key: block[key] for key in block if key not in node_format.BLOCK_KEYS}
    for row in rows:
        row["local_time"] = slow_reader.nanoseconds(block["local_time"], "local_time")
        row["block_extra"] = beyond or None
    return rows


@dataclass(slots=True)
class Expected:
    """What a text is made of."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[tuple[int, int, bytes]] = field(default_factory=list)
    lines: int = 0
    blank: int = 0
    empty: int = 0


def expected_of(content: bytes, line_format: LineFormat) -> Expected:
    """By the slow readers, line by line."""
    found = Expected()
    offset = 0
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        found.lines += 1
        if not line.strip(slow_reader.JSON_WHITESPACE):
            found.blank += 1
        else:
            try:
                rows = slow_rows(line, number, line_format)
            except slow_reader.RejectedLineError:
                found.rejected.append((number, offset, line))
            else:
                found.rows += rows
                found.empty += not rows
        offset += len(line) + 1
    return found


# --- what the product says ---------------------------------------------------------------------


def readers() -> Iterator[FillReader]:
    """One of each size of row group and buffer, for ever in turn."""
    made = []
    for group_rows in _GROUP_ROWS:
        for buffer_bytes in _BUFFER_BYTES:
            with _buffers_of(buffer_bytes):
                made.append(FillReader(group_rows=group_rows))
    while True:
        yield from made


@contextmanager
def _buffers_of(size: int) -> Iterator[None]:
    usual, reading._BUFFER_BYTES = reading._BUFFER_BYTES, size
    try:
        yield
    finally:
        reading._BUFFER_BYTES = usual


def agree(
    reader: FillReader, content: bytes, pieces: list[bytes], line_format: LineFormat
) -> tuple[Expected, Found]:
    """Read a text both ways. Raises `Disagreement`."""
    found, rejected = Found(), list[Rejection]()
    tables: list[pa.Table] = []
    for table in reader.read(pieces, line_format, found, rejected.append):
        table.validate(full=True)
        for name in CODED_COLUMNS[:-1]:
            codes = table.column(name).combine_chunks()
            known = set(codes.indices.drop_null().to_pylist())
            expect(known == set(range(len(codes.dictionary))), "texts of other rows", name)
        tables.append(plain(table))
    wanted = expected_of(content, line_format)
    places = [(r.line_number, r.byte_offset, r.raw) for r in rejected]
    expect(places == wanted.rejected, "rejected lines", _first(places, wanted.rejected))
    for one in rejected:
        check_quarantined(one)
    counts = (found.lines, found.blank_lines, found.rejected, found.empty_blocks)
    should = (wanted.lines, wanted.blank, len(wanted.rejected), wanted.empty)
    expect(counts == should, "lines, blank, rejected, empty", counts, should)
    for key in found.unknown_keys:
        expect(is_storable(key), "an unknown key that no database can hold", key)
    frames = [pl.DataFrame(pl.from_arrow(table)).cast(LAKE_SCHEMA) for table in tables]  # type: ignore[arg-type]
    rows = pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), *frames]).to_dicts()
    expect(len(rows) == len(wanted.rows), "rows", len(rows), len(wanted.rows))
    for mine, other in zip(rows, wanted.rows, strict=True):
        for column in LAKE_SCHEMA:
            value = mine[column]
            if column in _JSON_COLUMNS and value is not None:
                value = json.loads(value, parse_int=Decimal, parse_float=Decimal)
            expect(_exact(value) == _exact(other.get(column)), column, value, other.get(column))
    return wanted, found


def check_quarantined(one: Rejection) -> None:
    """A rejected line can be kept in the lake and in a database, and be had back."""
    kept = json.loads(quarantine_line(one, key="k"))
    expect(kept["reason"] and is_storable(kept["reason"]), "a reason not storable", kept["reason"])
    expect(len(kept["reason"]) <= 400, "a reason longer than anybody reads", kept["reason"][:80])
    expect(is_storable(kept["raw"]), "a quarantined text not storable", kept["raw"])


def is_storable(text: str) -> bool:
    """Whether Postgres can hold it."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _exact(value: Any) -> Any:
    """The same only for the same: true is not 1, and text is no number."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return (type(value).__name__, value)
    return ("number", Decimal(value))


def _first(mine: list[Any], other: list[Any]) -> Any:
    return next(
        (pair for pair in zip(mine, other, strict=False) if pair[0] != pair[1]),
        (len(mine), len(other), (mine + other)[min(len(mine), len(other)) :][:1]),
    )


# --- the campaign ------------------------------------------------------------------------------


def text_of(odd: OddLines, line_format: LineFormat) -> bytes:
    """Some lines of a format; the last one may lack its line feed."""
    lines = [odd.line(SEEDS[line_format], NODE_LEAVES) for _ in range(odd.chance.randint(1, 40))]
    return b"\n".join(lines) + odd.chance.choice([b"\n", b"\n", b"", b"\n\n", b"\r\n"])


def cut(odd: OddLines, content: bytes) -> list[bytes]:
    """The bytes in pieces, some of them empty, most often one."""
    if not content or odd.chance.random() < 0.5:
        return [content]
    if odd.chance.random() < 0.15:
        size = odd.chance.choice([1, 7, 8, 63, 64, 65, 255, 256, 257])
        return [content[at : at + size] for at in range(0, len(content), size)]
    places = sorted(odd.chance.choices(range(len(content) + 1), k=odd.chance.randint(1, 9)))
    return [content[a:b] for a, b in zip([0, *places], [*places, len(content)], strict=True)]


def fuzz_fills(context: Context) -> Outcome:
    """All three formats."""
    odd = OddLines(context.random)
    seen, misses = Counter[str](), list[str]()
    turn = readers()
    for nth in range(context.count(2_000, least=30)):
        line_format = list(LineFormat)[nth % 3]
        content = text_of(odd, line_format)
        try:
            wanted, found = agree(next(turn), content, cut(odd, content), line_format)
        except Exception as error:  # A crash is what is looked for.
            misses.append(f"{line_format.name} {error!r:.600} in text {nth}")
            continue
        seen["lines"] += wanted.lines
        seen["rejected"] += len(wanted.rejected)
        seen["rows"] += len(wanted.rows)
        seen["read by the kernel"] += wanted.lines - found.slow_lines
    figure = f"{len(misses)} texts read otherwise than by the standard library's json"
    return Outcome(not misses, figure, seen, tuple(misses))


# --- LZ4 ---------------------------------------------------------------------------------------


def packed(odd: OddLines, content: bytes) -> bytes:
    """A frame, with or without sizes and checksums."""
    chance = odd.chance
    frame: bytes = lz4.frame.compress(
        content,
        compression_level=chance.choice([0, 0, 3, 9]),
        block_size=chance.choice([0, 4, 5, 7]),
        block_linked=chance.random() < 0.5,
        content_checksum=chance.random() < 0.6,
        block_checksum=chance.random() < 0.4,
        store_size=chance.random() < 0.5,
    )
    return frame


def unpacked(chunks: list[bytes]) -> bytes | None:
    """All of it, or None where the frames are broken."""
    try:
        return b"".join(decompressed(chunks))
    except BrokenFrame:
        return None


KINDS = ("whole", "several", "cut", "bytes behind", "flipped", "no frame")


def check_frame(odd: OddLines) -> tuple[str, bytes | None]:
    """Its kind, and what came out of a frame that was made whole or not. Raises `Disagreement`."""
    chance = odd.chance
    content = text_of(odd, LineFormat.BLOCK) * chance.choice([1, 1, 1, 60])
    kind = chance.choice(KINDS)
    data = frame = packed(odd, content)
    if kind == "several":
        second = text_of(odd, LineFormat.BLOCK)
        data, content = frame + packed(odd, second) + packed(odd, b""), content + second
    elif kind == "cut":
        data = frame[: chance.randrange(1, len(frame))]
    elif kind == "bytes behind":
        data = frame + chance.randbytes(chance.choice([1, 3, 4, 30]))
    elif kind == "no frame":
        data = b"{" + content
    elif kind == "flipped":
        # With checksums of its header and its content nothing else may come out.
        data = lz4.frame.compress(content, content_checksum=True)
        at = chance.randrange(len(data))
        data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    found = unpacked(cut(odd, data))
    if kind in ("whole", "several"):
        expect(found == content, f"{kind}: not what was packed", found and found[:80])
    else:
        is_same = kind == "flipped" and found == content
        expect(found is None or is_same, f"{kind}: taken for whole", data[:40])
    return kind, found


def fuzz_frames(context: Context) -> Outcome:
    """One or several frames, whole, cut, with bytes behind them or with a bit flipped."""
    odd = OddLines(context.random)
    seen, misses = Counter[str](), list[str]()
    turn = readers()
    for nth in range(context.count(2_000, least=60)):
        try:
            kind, found = check_frame(odd)
            if found is not None and nth % 10 == 0:
                agree(next(turn), found, cut(odd, found), LineFormat.BLOCK)
        except Exception as error:  # A crash is what is looked for.
            misses.append(f"{error!r:.600} in frame {nth}")
            continue
        seen[kind] += 1
        seen["refused"] += found is None
    figure = f"{len(misses)} objects taken for what they are not"
    return Outcome(not misses, figure, seen, tuple(misses))


CAMPAIGNS = [
    Campaign(
        31,
        "fuzz-fills",
        "any bytes are rows or quarantined at their exact place",
        "odd lines of all three formats, cut anywhere",
        "no text read otherwise than by the standard library's json",
        fuzz_fills,
    ),
    Campaign(
        32,
        "fuzz-frames",
        "bytes are proved before they are parsed",
        "LZ4 frames: several, cut, flipped, with bytes behind",
        "none taken for what it is not",
        fuzz_frames,
    ),
]
