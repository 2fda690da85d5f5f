"""The reader against hand-made lines and damaged objects."""

import json
from decimal import Decimal
from pathlib import Path

import lz4.frame
import pytest

from . import slow_reader
from .hostile_lines import (
    BUYER,
    SELLER,
    TIME,
    fill_line,
    hostile_lines,
    make_block,
    make_fill,
)
from .slow_reader import UnreadableObjectError, distinct_fills, read_lines, read_object

HOSTILE = hostile_lines()


@pytest.mark.parametrize(
    ("line", "accepted"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE]
)
def test_hostile_line_gets_its_verdict(line: bytes, accepted: bool) -> None:
    reading = read_lines(line + b"\n")
    assert (reading.blocks, len(reading.rejected)) == ((1, 0) if accepted else (0, 1))
    assert reading.lines == 1
    if not accepted:
        assert reading.rows == []
        number, offset, reason = reading.rejected[0]
        assert (number, offset) == (1, 0)
        assert reason


def test_hostile_lines_are_many_distinct_and_single() -> None:
    names = [name for name, _, _ in HOSTILE]
    assert len(names) >= 30
    assert len(set(names)) == len(names)
    assert all(b"\n" not in line for _, line, _ in HOSTILE)
    assert {accepted for _, _, accepted in HOSTILE} == {True, False}


def test_all_hostile_lines_in_one_stream_keep_their_places() -> None:
    data = b"\n".join(line for _, line, _ in HOSTILE)
    reading = read_lines(data)
    expected = []
    offset = 0
    for number, (_, line, accepted) in enumerate(HOSTILE, start=1):
        if not accepted:
            expected.append((number, offset))
            assert data[offset : offset + len(line)] == line
        offset += len(line) + 1
    assert [place[:2] for place in reading.rejected] == expected
    assert reading.lines == len(HOSTILE)
    assert reading.blocks + len(reading.rejected) == reading.lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff", "not UTF-8"),
        (b"{", "not JSON"),
        (b"[]", "wrong shape"),
        (fill_line(fee="1e5"), "event 0: fee is not a decimal"),
        (fill_line(crossed=1), "event 0: crossed is not true or false"),
        (fill_line(time=5), "event 0: time is not between"),
        (b'{"a":1,"a":2}', "duplicate key a"),
    ],
)
def test_reason_says_what_is_wrong(line: bytes, reason: str) -> None:
    assert read_lines(line).rejected[0][2].startswith(reason)


def test_row_of_an_ordinary_fill() -> None:
    assert read_lines(fill_line()).rows == [
        {
            "time": TIME,
            "user_address": BUYER,
            "coin": "BTC",
            "px": Decimal("100000.5"),
            "sz": Decimal("0.25"),
            "side": "B",
            "dir": "Close Short",
            "start_position": Decimal("-0.25"),
            "closed_pnl": Decimal("-12.5"),
            "fee": Decimal("11.25"),
            "fee_token": "USDC",
            "crossed": True,
            "hash": "0x" + "1f" * 32,
            "oid": 214_106_928_179,
            "tid": 124_902_333_682_235,
            "cloid": None,
            "twap_id": None,
            "builder": None,
            "builder_fee": None,
            "deployer_fee": None,
            "priority_gas": None,
            "liquidation": None,
            "extra": None,
            "block_number": 777_010_829,
            "event_index": 0,
            "block_time": 1_761_584_400_063_563_798,
        }
    ]


def test_row_of_a_fill_with_everything() -> None:
    liquidation = {
        "liquidatedUser": "0xAB",
        "markPx": "57000.0",
        "method": "market",
        "new": [1],
    }
    line = fill_line(
        cloid="0x2025",
        twapId=9,
        builder="0x" + "AB" * 20,
        builderFee="0.5",
        deployerFee="0.25",
        priorityGas="0.125",
        liquidation=liquidation,
        newKey={"deep": [None]},
        user_address="not ours",
    )
    (row,) = read_lines(line).rows
    assert (row["cloid"], row["twap_id"], row["builder"]) == (
        "0x2025",
        9,
        "0x" + "ab" * 20,
    )
    assert (row["builder_fee"], row["deployer_fee"]) == (
        Decimal("0.5"),
        Decimal("0.25"),
    )
    assert row["priority_gas"] == Decimal("0.125")
    assert row["liquidation"] == liquidation
    assert row["extra"] == {"newKey": {"deep": [None]}, "user_address": "not ours"}
    assert row["user_address"] == BUYER


def test_unknown_null_key_is_kept_and_long_numbers_stay_exact() -> None:
    line = fill_line(a=None).replace(b'"a":null', b'"a":null,"b":0.12345678901234567890123456789')
    (row,) = read_lines(line).rows
    assert row["extra"] == {"a": None, "b": Decimal("0.12345678901234567890123456789")}


def test_decimals_keep_their_scale_and_noise() -> None:
    (row,) = read_lines(fill_line(startPosition="3135809.3999999999", fee="-0.000")).rows
    assert str(row["start_position"]) == "3135809.3999999999"
    assert str(row["fee"]) == "-0.000"


def test_addresses_are_lower_cased_and_events_counted_from_zero() -> None:
    block = make_block(make_fill(), make_fill(side="A"))
    block["events"][0][0] = "0x" + "AbCdE" * 8
    rows = read_lines(json.dumps(block).encode()).rows
    assert [row["user_address"] for row in rows] == ["0x" + "abcde" * 8, SELLER]
    assert [row["event_index"] for row in rows] == [0, 1]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2025-10-27T17:00:00", 1_761_584_400_000_000_000),
        ("2025-10-27T17:00:00.1", 1_761_584_400_100_000_000),
        ("2025-10-27T17:00:00.000000001", 1_761_584_400_000_000_001),
        ("2020-01-01T00:00:00", 1_577_836_800_000_000_000),
        ("2028-02-29T23:59:59.999999999", 1_835_481_599_999_999_999),
    ],
)
def test_block_time_is_whole_nanoseconds(written: str, expected: int) -> None:
    assert slow_reader.nanoseconds(written, "block_time") == expected


def test_blank_lines_are_counted_apart() -> None:
    good = fill_line()
    reading = read_lines(b"\n" + good + b"\n  \t\r\n{\n\r\n" + good)
    assert (reading.lines, reading.blank_lines, reading.blocks) == (6, 3, 2)
    assert [place[:2] for place in reading.rejected] == [(4, len(good) + 7)]
    assert len(reading.rows) == 2


@pytest.mark.parametrize(
    ("data", "lines", "blank"),
    [(b"", 0, 0), (b"\n", 1, 1), (b"\n\n", 2, 2), (b" ", 1, 1)],
)
def test_lines_of_almost_nothing(data: bytes, lines: int, blank: int) -> None:
    reading = read_lines(data)
    assert (reading.rows, reading.rejected) == ([], [])
    assert (reading.lines, reading.blank_lines) == (lines, blank)


def test_one_bad_fill_rejects_its_whole_block_and_no_other() -> None:
    bad = json.dumps(make_block(make_fill(), make_fill(px="x"))).encode()
    reading = read_lines(fill_line() + b"\n" + bad + b"\n" + fill_line(oid=2) + b"\n")
    assert [row["oid"] for row in reading.rows] == [214_106_928_179, 2]
    assert len(reading.rejected) == 1


def test_distinct_fills_keep_the_first() -> None:
    rows = read_lines(fill_line() + b"\n" + fill_line() + b"\n").rows
    assert len(rows) == 2
    assert distinct_fills(rows) == rows[:1]


def write_object(folder: Path, data: bytes) -> Path:
    path = folder / "0.lz4"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("block_linked", [True, False])
@pytest.mark.parametrize("store_size", [True, False])
@pytest.mark.parametrize("content_checksum", [True, False])
def test_every_kind_of_frame(
    tmp_path: Path, block_linked: bool, store_size: bool, content_checksum: bool
) -> None:
    data = lz4.frame.compress(
        (fill_line() + b"\n") * 50,
        block_linked=block_linked,
        store_size=store_size,
        content_checksum=content_checksum,
    )
    assert len(read_object(write_object(tmp_path, data)).rows) == 50


def test_second_frame_is_read_too(tmp_path: Path) -> None:
    halves = [fill_line()[:100], fill_line()[100:]]
    data = b"".join(lz4.frame.compress(half) for half in halves)
    assert len(read_object(write_object(tmp_path, data)).rows) == 1


def test_damaged_object_is_an_error_for_the_whole(tmp_path: Path) -> None:
    whole = lz4.frame.compress((fill_line() + b"\n") * 50, content_checksum=True)
    damaged = [b"", b"plain text", whole + b"x", whole + whole[:20]]
    damaged += [whole[:length] for length in range(1, len(whole))]
    for data in damaged:
        with pytest.raises(UnreadableObjectError):
            read_object(write_object(tmp_path, data))


def test_plain_file_is_read_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    path.write_bytes(fill_line())
    assert len(read_object(path).rows) == 1
