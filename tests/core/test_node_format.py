"""The product's reader against the slow one, line for line and column for column."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
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
from vigil_core.fills.node_format import LineRejected, check_line, decode_lines
from vigil_core.fills.schema import LAKE_SCHEMA

HOSTILE = hostile_lines()
NAMES = [name for name, _, _ in HOSTILE]
GOOD = fill_line()

SURPRISES = (
    node_format._Surprise,
    LineRejected,
    msgspec.DecodeError,
    RecursionError,
    UnicodeDecodeError,
)
"""Ways of the batch reader to hand its lines over to the line reader."""

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


def agree(line: bytes) -> None:
    """The line reader and the slow reader agree; the batch reader does, or gives the line up."""
    accepted = slow_accepts(line)
    blank = not line.strip(slow_reader.JSON_WHITESPACE)
    if not blank:
        try:
            check_line(line)
        except LineRejected:
            assert not accepted
        else:
            assert accepted
    singly = node_format._decode_singly([line], 1, 0)
    assert (len(singly.rejected), singly.blank_lines) == (not (accepted or blank), blank)
    same_rows(singly.fills, [line])
    try:
        batch = node_format._decode_batch([line])
    except SURPRISES:
        pass
    else:
        assert accepted or blank
        assert batch.fills.equals(singly.fills)
    decoded = decode_lines([line])
    assert len(decoded.rejected) == len(singly.rejected)
    assert decoded.fills.equals(singly.fills)


@pytest.mark.parametrize(("line", "accepted"), [h[1:] for h in HOSTILE], ids=NAMES)
def test_hostile_line_gets_its_verdict_and_its_rows(line: bytes, accepted: bool) -> None:
    assert slow_accepts(line) is accepted
    agree(line)


@pytest.mark.parametrize(
    ("line", "accepted"), [h[1:] for h in BEYOND_THE_NODE], ids=[h[0] for h in BEYOND_THE_NODE]
)
def test_trap_for_the_batch_reader(line: bytes, accepted: bool) -> None:
    assert slow_accepts(line) is accepted
    agree(line)


@pytest.mark.parametrize("number", [b"1e131072", b"1e-16384", b"9" * 131_073])
def test_number_that_postgres_cannot_hold_rejects_its_line(number: bytes) -> None:
    line = respelt(GOOD, b'"tid"', b'"x":' + number + b',"tid"')
    (rejection,) = decode_lines([GOOD, line]).rejected
    assert (rejection.line_number, rejection.raw) == (2, line)
    assert rejection.reason.startswith("a number no database can hold")


def test_batch_reader_takes_ordinary_lines_itself() -> None:
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
    same_rows(node_format._decode_batch([GOOD, everything]).fills, [GOOD, everything])


def test_bad_line_among_good_ones_is_named_exactly() -> None:
    bad = [line for _, line, accepted in HOSTILE if not accepted]
    blank = [b"", b" \t\r"]
    lines = [GOOD] + [piece for line in bad for piece in (line, GOOD, *blank)]

    decoded = decode_lines(lines, line_number=11, byte_offset=1_000)

    offsets = [1_000]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    places = [number for number, line in enumerate(lines) if line in bad]
    assert [(r.line_number, r.byte_offset, r.raw) for r in decoded.rejected] == [
        (11 + place, offsets[place], lines[place]) for place in places
    ]
    assert all(rejection.reason for rejection in decoded.rejected)
    assert decoded.lines == len(lines)
    assert decoded.blank_lines == 2 * len(bad)
    same_rows(decoded.fills, lines)


def test_all_accepted_lines_together_keep_their_order() -> None:
    lines = [line for _, line, accepted in HOSTILE if accepted]
    decoded = decode_lines(lines)
    assert decoded.rejected == []
    same_rows(decoded.fills, lines)


def test_reason_names_the_place() -> None:
    line = to_line(make_block(make_fill(), make_fill(px="1e5")))
    (rejection,) = decode_lines([line]).rejected
    assert rejection.reason.startswith("events[1].px: expected")
    assert "'1e5'" in rejection.reason


def test_counts_of_a_batch() -> None:
    lines = [
        to_line(make_block(block_number=5)),
        b"",
        fill_line(newKey=1),
        to_line(make_block(make_fill(newKey=2, other=3), block_number=9, shard=1)),
    ]
    decoded = decode_lines(lines)
    assert (decoded.lines, decoded.blank_lines, decoded.empty_blocks) == (4, 1, 1)
    assert (decoded.first_block, decoded.last_block) == (5, 9)
    assert decoded.unknown_keys == {"newKey": 2, "other": 1, "block.shard": 1}


def test_nothing_gives_an_empty_frame() -> None:
    decoded = decode_lines([])
    assert dict(decoded.fills.schema) == LAKE_SCHEMA
    assert (decoded.fills.height, decoded.lines, decoded.first_block) == (0, 0, None)


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

    decoded = decode_lines(lines)
    reading = slow_reader.read_lines(b"\n".join(lines) + b"\n")

    assert [(r.line_number, r.byte_offset) for r in decoded.rejected] == [
        place[:2] for place in reading.rejected
    ]
    assert (decoded.lines, decoded.blank_lines) == (reading.lines, reading.blank_lines)
    same_rows(decoded.fills, lines)


# --- recorded files ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [OCTOBER, MARCH])
def test_recorded_file_equals_the_slow_reader(name: str) -> None:
    path: Path = shared_file(name)
    lines = path.read_bytes().splitlines()
    batch = node_format._decode_batch(lines)
    singly = node_format._decode_singly(lines, 1, 0)
    assert singly.rejected == []
    assert batch.fills.equals(singly.fills)
    same_rows(batch.fills, lines)


def test_times_are_read_to_the_nanosecond() -> None:
    assert iso_ns("2025-10-27T17:00:00.063563798") == 1_761_584_400_063_563_798
    assert decode_lines([GOOD]).fills["time"].item() == TIME
