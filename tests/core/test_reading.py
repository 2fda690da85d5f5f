"""The product's compiled and its exact reader against the slow one, column for column."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import slow_reader
from tests.reference.hostile_lines import (
    BUYER,
    TIME,
    VICTIM,
    fill_line,
    hostile_lines,
    make_block,
    make_fill,
    respelt,
    to_line,
)
from tests.reference.shared_files import shared_file
from vigil_core.calendar import iso_ns
from vigil_core.fills import node_format
from vigil_core.fills.arrow import CODED_SCHEMA, plain
from vigil_core.fills.node_format import check_block
from vigil_core.fills.reading import Break, FillReader, Found, LineFormat
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.rejections import Rejection

HOSTILE = hostile_lines()
NAMES = [name for name, _, _ in HOSTILE]
GOOD = fill_line()

FOLDER = "data/real/node_fills_by_block/"
OCTOBER = FOLDER + "20251027_17_blocks_0000-0759.jsonl"
MARCH = FOLDER + "20260315_00_blocks_0000-0009.jsonl"

BEYOND_THE_NODE = [
    ("space_before_colon_hides_repeat", respelt(GOOD, b'"px":', b'"px" :"1.0","px":'), False),
    ("tab_before_colon_hides_repeat", respelt(GOOD, b'"px":', b'"px"\t:"1.0","px":'), False),
    ("return_before_colon_hides_repeat", respelt(GOOD, b'"px":', b'"px"\r:"1.0","px":'), False),
    ("space_before_colon", respelt(GOOD, b'"px":', b'"px" :'), True),
    ("colon_in_text", fill_line(coin='a":b'), True),
    ("minus_zero_price", fill_line(px="-0.0"), True),
    ("negative_numbers", fill_line(oid=-1, tid=-(2**63), twapId=-5), True),
    ("negative_block_number", to_line(make_block(make_fill(), block_number=-1)), True),
    ("before_int64", fill_line(oid=-(2**63) - 1), False),
    ("escaped_nul_in_key", respelt(GOOD, b'"tid"', b'"a\\u0000":1,"tid"'), False),
    ("escaped_surrogate_in_key", respelt(GOOD, b'"tid"', b'"\\udfff":1,"tid"'), False),
    (
        "escaped_nul_in_block_key",
        respelt(GOOD, b'"block_number"', b'"\\u0000":1,"block_number"'),
        False,
    ),
    (
        "lists_200_deep",
        respelt(GOOD, b'"tid"', b'"x":' + b"[" * 196 + b"]" * 196 + b',"tid"'),
        True,
    ),
    (
        "lists_201_deep",
        respelt(GOOD, b'"tid"', b'"x":' + b"[" * 197 + b"]" * 197 + b',"tid"'),
        False,
    ),
    (
        "objects_250_deep",
        respelt(GOOD, b'"tid"', b'"x":' + b'{"a":' * 250 + b"1" + b"}" * 250 + b',"tid"'),
        False,
    ),
    (
        "integer_5000_digits_unknown",
        respelt(GOOD, b'"tid"', b'"x":' + b"7" * 5000 + b',"tid"'),
        True,
    ),
    (
        "exponent_beyond_any_range",
        respelt(GOOD, b'"tid"', b'"x":1e99999999999999999999,"tid"'),
        False,
    ),
    ("form_feed_alone", b"\x0c", False),
    ("time_2019", to_line(make_block(make_fill(), local_time="2019-12-31T23:59:59.9")), False),
    ("time_2100", to_line(make_block(make_fill(), block_time="2100-01-01T00:00:00")), False),
    ("year_zero", to_line(make_block(make_fill(), block_time="0000-01-01T00:00:00")), False),
]


def product_rows(fills: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as the slow reader writes them, JSON texts parsed without loss."""
    assert dict(fills.schema) == LAKE_SCHEMA
    rows = fills.to_dicts()
    for row in rows:
        for column in ("liquidation", "extra", "block_extra"):
            if row[column] is not None:
                row[column] = json.loads(row[column], parse_int=Decimal, parse_float=Decimal)
    return rows


def slow_rows(lines: list[bytes]) -> list[dict[str, Any]]:
    """Rows of accepted lines, with the two columns that the slow reader leaves out."""
    rows = []
    for line in lines:
        try:
            taken = slow_reader.read_block(line)
        except slow_reader.RejectedLineError:
            continue
        block = slow_reader.parse_json(line)
        beyond = {key: block[key] for key in block if key not in node_format.BLOCK_KEYS}
        for row in taken:
            row["local_time"] = slow_reader.nanoseconds(block["local_time"], "local_time")
            row["block_extra"] = beyond or None
            rows.append(row)
    return rows


def same_rows(fills: pl.DataFrame, lines: list[bytes]) -> None:
    ours, theirs = product_rows(fills), slow_rows(lines)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.keys() == other.keys()
        assert {k: mine[k] for k in mine if mine[k] != other[k]} == {}


def slow_accepts(line: bytes) -> bool:
    reading = slow_reader.read_lines(line + b"\n")
    return reading.blocks == 1


class Read:
    """All that a reader makes of lines."""

    def __init__(self, content: bytes, *, group_rows: int = 65_536, piece: int = 1 << 20) -> None:
        self.found = Found()
        self.rejected: list[Rejection] = []
        self.tables = []
        pieces = [content[i : i + piece] for i in range(0, len(content), piece)]
        reader = FillReader(group_rows=group_rows)
        for table in reader.read(pieces, LineFormat.BLOCK, self.found, self.rejected.append):
            assert table.schema == CODED_SCHEMA
            table.validate(full=True)
            self.tables.append(plain(table))

    @property
    def fills(self) -> pl.DataFrame:
        frames = [pl.DataFrame(pl.from_arrow(table)).cast(LAKE_SCHEMA) for table in self.tables]
        return pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), *frames])


def joined_lines(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def agree(line: bytes) -> None:
    """Alone, and after a line of its kind, the line gets the slow reader's verdict and rows.

    The compiled reader either takes it with exactly these, or leaves it to the exact one.
    """
    accepted = slow_accepts(line)
    blank = not line.strip(slow_reader.JSON_WHITESPACE)
    for lines in ([line], [GOOD, line, GOOD]):
        read = Read(joined_lines(lines))
        assert len(read.rejected) == (not accepted and not blank)
        assert read.found.blank_lines == blank
        assert read.found.lines == len(lines)
        same_rows(read.fills, lines)
    exact = node_format.decode_lines([line], check_block)
    assert exact.fills.equals(Read(line).fills)


@pytest.mark.parametrize(("line", "accepted"), [h[1:] for h in HOSTILE], ids=NAMES)
def test_hostile_line_gets_its_verdict_and_its_rows(line: bytes, accepted: bool) -> None:
    assert slow_accepts(line) is accepted
    agree(line)


@pytest.mark.parametrize(
    ("line", "accepted"), [h[1:] for h in BEYOND_THE_NODE], ids=[h[0] for h in BEYOND_THE_NODE]
)
def test_trap_for_a_hasty_reader(line: bytes, accepted: bool) -> None:
    assert slow_accepts(line) is accepted
    agree(line)


@pytest.mark.parametrize("number", [b"1e131072", b"1e-16384", b"9" * 131_073])
def test_number_that_postgres_cannot_hold_rejects_its_line(number: bytes) -> None:
    line = respelt(GOOD, b'"tid"', b'"x":' + number + b',"tid"')
    (rejection,) = Read(joined_lines([GOOD, line])).rejected
    assert (rejection.line_number, rejection.raw) == (2, line)
    assert rejection.reason.startswith("a number no database can hold")


def test_compiled_reader_takes_ordinary_lines_itself() -> None:
    everything = fill_line(
        cloid="0x2025",
        twapId=9,
        builder=VICTIM,
        builderFee="0.5",
        deployerFee="0.25",
        priorityGas="0.125",
        liquidation={"liquidatedUser": VICTIM, "markPx": "1.5", "method": "market"},
        newKey="x",
    )
    empty = to_line(make_block())
    read = Read(joined_lines([GOOD, everything, empty, b"", GOOD]))
    assert read.found.slow_lines == 0
    same_rows(read.fills, [GOOD, everything, GOOD])
    assert read.found.unknown_keys == {"newKey": 1}


def test_bad_line_among_good_ones_is_named_exactly() -> None:
    bad = [line for _, line, accepted in HOSTILE if not accepted]
    blank = [b"", b" \t\r"]
    lines = [GOOD] + [piece for line in bad for piece in (line, GOOD, *blank)]

    read = Read(joined_lines(lines))

    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    places = [number for number, line in enumerate(lines) if line in bad]
    assert [(r.line_number, r.byte_offset, r.raw) for r in read.rejected] == [
        (1 + place, offsets[place], lines[place]) for place in places
    ]
    assert all(rejection.reason for rejection in read.rejected)
    assert read.found.lines == len(lines)
    assert read.found.blank_lines == 2 * len(bad)
    assert read.found.rejected == len(bad)
    same_rows(read.fills, lines)


def test_all_accepted_lines_together_keep_their_order() -> None:
    lines = [line for _, line, accepted in HOSTILE if accepted]
    read = Read(joined_lines(lines))
    assert read.rejected == []
    same_rows(read.fills, lines)


def test_reason_names_the_place() -> None:
    line = to_line(make_block(make_fill(), make_fill(px="1e5")))
    (rejection,) = Read(line).rejected
    assert rejection.reason.startswith("events[1].px: expected")
    assert "'1e5'" in rejection.reason


@pytest.mark.parametrize("key", [b"\\u0000", b"\\ud800", b"k" * 5_000])
def test_reason_can_be_kept_whatever_key_is_repeated(key: bytes) -> None:
    pair = b'"' + key + b'":1,'
    (rejection,) = Read(respelt(GOOD, b'"tid"', pair + pair + b'"tid"')).rejected
    assert rejection.reason.endswith(": repeated in one object")
    assert rejection.reason.isascii()
    assert "\0" not in rejection.reason
    assert len(rejection.reason) < 100


def test_reason_is_short_however_long_the_time_is() -> None:
    (rejection,) = Read(to_line(make_block(make_fill(), block_time="x" * 9_999))).rejected
    assert len(rejection.reason) < 200


def test_counts() -> None:
    lines = [
        to_line(make_block(block_number=5)),
        b"",
        fill_line(newKey=1),
        to_line(make_block(make_fill(newKey=2, other=3), block_number=9, shard=1)),
    ]
    found = Read(joined_lines(lines)).found
    assert (found.lines, found.blank_lines, found.empty_blocks) == (4, 1, 1)
    assert (found.first_block, found.last_block) == (5, 9)
    assert found.unknown_keys == {"newKey": 2, "other": 1, "block.shard": 1}


def test_nothing_gives_no_table() -> None:
    read = Read(b"")
    assert (read.tables, read.found) == ([], Found())


def test_breaks_in_the_block_numbers_are_named_whoever_reads_the_line() -> None:
    def line(number: int, **fill: Any) -> bytes:
        at = f"2025-10-27T17:00:{number % 60:02}"
        return to_line(make_block(make_fill(**fill), block_number=number, block_time=at))

    slow = {"coin": "\u00e9"}
    lines = [line(1), line(2), line(4), line(5, **slow), line(9, **slow), line(10), line(10)]
    found = Read(joined_lines(lines)).found
    start = 1_761_584_400_000
    assert found.breaks == [
        Break(2, start + 2_000, 4, start + 4_000),
        Break(5, start + 5_000, 9, start + 9_000),
        Break(10, start + 10_000, 10, start + 10_000),
    ]
    assert (found.first_ms, found.last_ms) == (start + 1_000, start + 10_000)


# --- row groups ----------------------------------------------------------------------------


def many_lines(count: int, *, odd_every: int) -> list[bytes]:
    """Blocks of 0 to 3 fills; every so many of them spelt so that the exact reader is needed."""
    lines = []
    for number in range(count):
        fills = [
            make_fill(coin=f"C{(number + i) % 7}", oid=number, tid=i, px=f"{number}.{i + 1}")
            for i in range(number % 4)
        ]
        line = to_line(make_block(*fills, block_number=number))
        if odd_every and number % odd_every == 0:
            line = respelt(line, b'"block_number":', b'"block_number" :')
        lines.append(line)
    return lines


@pytest.mark.parametrize("odd_every", [0, 1, 2, 5, 29])
@pytest.mark.parametrize("piece", [7, 1_000, 1 << 20])
def test_who_reads_a_line_and_where_pieces_end_shows_nowhere(odd_every: int, piece: int) -> None:
    lines = many_lines(120, odd_every=odd_every)
    read = Read(joined_lines(lines)[:-1], group_rows=10, piece=piece)
    ordinary = Read(joined_lines(many_lines(120, odd_every=0)), group_rows=10)
    assert [t.num_rows for t in read.tables] == [t.num_rows for t in ordinary.tables]
    assert read.fills.equals(ordinary.fills)
    assert read.found.lines == 120
    assert ordinary.found.slow_lines == 0
    assert (read.found.slow_lines >= 120 // odd_every) if odd_every else True


def test_dictionaries_hold_the_texts_of_their_own_rows_alone() -> None:
    """A line that is given up half-way leaves nothing of itself behind."""
    half = make_block(make_fill(coin="LEFT"), make_fill(coin="OVER", px="1e5"))
    reader = FillReader()
    content = joined_lines([GOOD, to_line(half), fill_line(coin="NEXT")])
    tables = reader.read([content], LineFormat.BLOCK, Found(), lambda _: None)
    (coins,) = [table.column("coin").chunk(0).dictionary.to_pylist() for table in tables]
    assert coins == [make_fill()["coin"], "NEXT"]


def test_a_line_longer_than_any_buffer_is_a_line() -> None:
    fills = [make_fill(tid=i) for i in range(20_000)]
    line = to_line(make_block(*fills))
    assert len(line) > 5 << 20
    read = Read(joined_lines([GOOD, line, GOOD]), piece=1 << 16)
    assert read.fills.height == 20_002
    assert read.fills["tid"][1:-1].to_list() == list(range(20_000))


# --- mutated lines -------------------------------------------------------------------------

SEEDS = [
    GOOD,
    fill_line(liquidation={"liquidatedUser": VICTIM, "markPx": "1.5", "method": "market"}),
    fill_line(newKey={"a": [1.5, None]}, builder=BUYER, builderFee="0.5", twapId=7),
    to_line(make_block(make_fill(), make_fill(side="A", tid=0, dir="Spot Dust Conversion"))),
]
PIECES = [b'"', b":", b",", b"0", b"-", b"e9", b".", b"\\u0000", b"\\", b"{}", b"[]", b" ", b"\x00"]
PIECES += [
    b"null",
    b'"px":"1",',
    b'"x":1,',
    b"\xff",
    b"\r",
    b"\x0c",
    b"true",
    b"9" * 30,
    b'"x" :[1],',
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good line with one to three bytes flipped, stretches cut or pieces inserted."""
    line = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(line)))
        match draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip" if place < len(line):
                line[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del line[place : place + draw(st.integers(1, 20))]
            case _:
                line[place:place] = draw(st.sampled_from(PIECES))
    return bytes(line).replace(b"\n", b" ")


@settings(max_examples=200, deadline=None)
@given(mutated())
def test_mutated_line_gets_one_verdict(line: bytes) -> None:
    agree(line)


@settings(max_examples=50, deadline=None)
@given(st.lists(mutated(), max_size=4), st.randoms(use_true_random=False))
def test_mutated_lines_among_good_ones(bad: list[bytes], order: random.Random) -> None:
    lines = [*bad, *SEEDS]
    order.shuffle(lines)

    read = Read(joined_lines(lines))
    reading = slow_reader.read_lines(joined_lines(lines))

    assert [(r.line_number, r.byte_offset) for r in read.rejected] == [
        place[:2] for place in reading.rejected
    ]
    assert (read.found.lines, read.found.blank_lines) == (reading.lines, reading.blank_lines)
    same_rows(read.fills, lines)


# --- recorded files ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [OCTOBER, MARCH])
def test_recorded_file_equals_the_slow_reader(name: str) -> None:
    path: Path = shared_file(name)
    content = path.read_bytes()
    lines = content.splitlines()
    read = Read(content)
    assert (read.found.slow_lines, read.rejected) == (0, [])
    same_rows(read.fills, lines)
    exact = node_format.decode_lines(lines, check_block)
    assert exact.fills.equals(read.fills)


def test_times_are_read_to_the_nanosecond() -> None:
    assert iso_ns("2025-10-27T17:00:00.063563798") == 1_761_584_400_063_563_798
    assert Read(GOOD).fills["time"].item() == TIME
