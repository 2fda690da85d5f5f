"""The readers of both older generations against hand-made lines and the recorded trades."""

import datetime
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from . import slow_reader
from .hostile_lines import BUYER, HASH, SELLER, TIME, VICTIM, fill_line
from .hostile_older_lines import (
    OlderLine,
    hostile_fill_lines,
    hostile_trade_lines,
    make_trade,
    older_fill_line,
    party_line,
    trade_line,
)
from .shared_files import shared_file
from .slow_older_generations import (
    COLUMNS,
    LineReader,
    distinct_fill_lines,
    distinct_trades,
    hand_over,
    read_fill_line,
    read_older_lines,
    read_older_object,
    read_trade_line,
)
from .slow_reader import Row, UnreadableObjectError

TRADES = "data/real/node_trades/20250624_02_trades_00-16.jsonl"
FORMATS = [(read_fill_line, hostile_fill_lines()), (read_trade_line, hostile_trade_lines())]


def fills(*lines: bytes) -> list[Row]:
    return read_older_lines(b"\n".join(lines), read_fill_line).rows


def trades(*lines: bytes) -> list[Row]:
    return read_older_lines(b"\n".join(lines), read_trade_line).rows


def places(rows: list[Row]) -> list[int]:
    return [row["event_index"] for row in rows]


# verdicts


@pytest.mark.parametrize(("read_line", "hostile"), FORMATS, ids=["fills", "trades"])
def test_hostile_lines_get_their_verdict(read_line: LineReader, hostile: list[OlderLine]) -> None:
    for line, fragment in hostile:
        reading = read_older_lines(line + b"\n", read_line)
        assert reading.lines == 1, line[:200]
        assert reading.taken == (fragment is None), line[:200]
        if fragment is None:
            assert reading.rejected == []
            assert reading.rows
        else:
            assert reading.rows == []
            number, offset, reason = reading.rejected[0]
            assert (number, offset) == (1, 0)
            assert reason
            assert fragment in reason, (line[:200], reason)


@pytest.mark.parametrize(("read_line", "hostile"), FORMATS, ids=["fills", "trades"])
def test_hostile_lines_in_one_stream_keep_their_places(
    read_line: LineReader, hostile: list[OlderLine]
) -> None:
    data = b"\n".join(line for line, _ in hostile)
    reading = read_older_lines(data, read_line)
    expected = []
    offset = 0
    for number, (line, fragment) in enumerate(hostile, start=1):
        if fragment is not None:
            expected.append((number, offset))
            assert data[offset : offset + len(line)] == line
        offset += len(line) + 1
    assert [place[:2] for place in reading.rejected] == expected
    assert reading.lines == len(hostile) == reading.taken + len(expected)


@pytest.mark.parametrize("hostile", [lines for _, lines in FORMATS], ids=["fills", "trades"])
def test_hostile_lines_are_single_and_of_both_kinds(hostile: list[OlderLine]) -> None:
    assert all(b"\n" not in line and line.strip() for line, _ in hostile)
    assert sum(fragment is None for _, fragment in hostile) >= 30
    assert sum(fragment is not None for _, fragment in hostile) >= 200


@pytest.mark.parametrize(
    ("line", "read_line", "reason"),
    [
        (b"\xff", read_fill_line, "not UTF-8"),
        (b"{}", read_fill_line, "wrong shape: the line is not a pair"),
        (older_fill_line("0x1"), read_fill_line, "wrong shape: the line has no address"),
        (older_fill_line(fee="1e5"), read_fill_line, "fee is not a decimal"),
        (b"[]", read_trade_line, "wrong shape: the line is not an object"),
        (trade_line(side_info=[]), read_trade_line, "side_info is not a list of two"),
        (party_line(1, oid="7"), read_trade_line, "side_info 1: oid is not an integer"),
        (party_line(0, user="x"), read_trade_line, "side_info 0: user is no address"),
        (trade_line(time=TIME), read_trade_line, "time is not a text"),
    ],
)
def test_reason_says_what_is_wrong(line: bytes, read_line: LineReader, reason: str) -> None:
    assert read_older_lines(line, read_line).rejected[0][2].startswith(reason)


# generation 2


def test_row_of_an_ordinary_fill() -> None:
    assert fills(older_fill_line()) == [
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
            "hash": HASH,
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
            "block_number": None,
            "event_index": 0,
            "block_time": None,
            "local_time": None,
            "block_extra": None,
        }
    ]


def test_a_fill_says_the_same_in_a_block_and_alone() -> None:
    changes: dict[str, Any] = {
        "cloid": "0x2025",
        "builder": "0x" + "AB" * 20,
        "builderFee": "0.5",
        "liquidation": {"liquidatedUser": VICTIM, "markPx": "57000.0", "method": "market"},
        "newKey": {"deep": [None]},
        "block_number": "not ours",
    }
    (alone,) = fills(older_fill_line(**changes))
    (in_block,) = slow_reader.read_lines(fill_line(**changes)).rows
    envelope = {"block_number", "block_time", "local_time", "block_extra"}
    for column in COLUMNS:
        assert alone[column] == (None if column in envelope else in_block[column]), column
    assert alone["extra"] == {"newKey": {"deep": [None]}, "block_number": "not ours"}


def test_place_of_a_fill_counts_blank_and_rejected_lines() -> None:
    good = older_fill_line()
    reading = read_older_lines(b"\n" + good + b"\n  \t\r\n{\n\r\n" + good, read_fill_line)
    assert (reading.lines, reading.blank_lines, reading.taken) == (6, 3, 2)
    assert [place[:2] for place in reading.rejected] == [(4, len(good) + 7)]
    assert places(reading.rows) == [1, 5]


def test_addresses_are_lower_cased() -> None:
    upper = "0x" + "AbCdE" * 8
    (fill,) = fills(older_fill_line(upper))
    buyer, seller = trades(party_line(1, user=upper))
    assert fill["user_address"] == upper.lower() == seller["user_address"]
    assert buyer["user_address"] == BUYER


def test_repeated_fill_goes_and_one_that_differs_stays() -> None:
    other, twin = older_fill_line(oid=5), older_fill_line(closedPnl="1.0")
    rows = fills(older_fill_line(), other, older_fill_line(), twin, other, twin)
    assert places(distinct_fill_lines(rows)) == [0, 1, 3]


# generation 1


def test_rows_of_an_ordinary_trade() -> None:
    nothing = dict.fromkeys(COLUMNS)
    both = {
        "time": 1_750_733_796_172,
        "block_time": 1_750_733_796_172_847_427,
        "coin": "BTC",
        "px": Decimal("100000.5"),
        "sz": Decimal("0.25"),
        "hash": HASH,
        "extra": {"trade_dir_override": "Na"},
    }
    buyer = {
        "user_address": BUYER,
        "side": "B",
        "crossed": False,
        "start_position": Decimal("-0.25"),
        "oid": 105_686_971_733,
        "cloid": "0x1070fff92506b3ab5e5aec135e5a5ddd",
        "event_index": 0,
    }
    seller = {
        "user_address": SELLER,
        "side": "A",
        "crossed": True,
        "start_position": Decimal("3.0"),
        "oid": 105_686_976_226,
        "event_index": 1,
    }
    assert trades(trade_line()) == [nothing | both | buyer, nothing | both | seller]


@pytest.mark.parametrize(("side", "crossed"), [("B", [True, False]), ("A", [False, True])])
def test_side_of_the_line_is_the_takers(side: str, crossed: list[bool]) -> None:
    rows = trades(trade_line(side=side))
    assert [row["side"] for row in rows] == ["B", "A"]
    assert [row["crossed"] for row in rows] == crossed


def test_ids_of_either_side_stay_on_it() -> None:
    rows = trades(party_line(1, twap_id=9, cloid="0x77"))
    assert [row["twap_id"] for row in rows] == [None, 9]
    assert [row["cloid"] for row in rows] == ["0x1070fff92506b3ab5e5aec135e5a5ddd", "0x77"]


def test_what_is_left_of_line_and_entry_is_kept_together() -> None:
    trade = make_trade(newKey=[1], tid=5)
    trade["side_info"][0] |= {"fee": "0.5", "newKey": None}
    buyer, seller = trades(json.dumps(trade).encode())
    line = {"trade_dir_override": "Na", "newKey": [1], "tid": 5}
    # Where both have a key of one name, the entry's speaks of this side.
    assert buyer["extra"] == line | {"fee": "0.5", "newKey": None}
    assert seller["extra"] == line
    assert (buyer["tid"], buyer["fee"]) == (None, None)


def test_trade_without_anything_left_has_no_extra() -> None:
    trade = make_trade()
    del trade["trade_dir_override"]
    assert [row["extra"] for row in trades(json.dumps(trade).encode())] == [None, None]


def test_place_of_a_trade_counts_blank_and_rejected_lines() -> None:
    good = trade_line()
    reading = read_older_lines(b"{}\n" + good + b"\n\n" + good + b"\n", read_trade_line)
    assert (reading.lines, reading.blank_lines, reading.taken) == (4, 1, 2)
    assert [place[:2] for place in reading.rejected] == [(1, 0)]
    assert places(reading.rows) == [2, 3, 6, 7]


def test_milliseconds_are_cut_and_not_rounded() -> None:
    (row, _) = trades(trade_line(time="2025-06-24T02:56:36.172999999"))
    assert (row["time"], row["block_time"]) == (1_750_733_796_172, 1_750_733_796_172_999_999)


def test_repeated_trade_goes_whichever_side_it_names() -> None:
    lines = [
        trade_line(),
        trade_line(side="B"),
        trade_line(sz="0.250", hash="0x"),
        trade_line(sz="0.26"),
        trade_line(coin="ETH"),
        trade_line(time="2025-06-24T02:56:36.172847428"),
        party_line(0, oid=1),
        party_line(1, oid=1),
        party_line(1, oid=1, start_pos="9.0"),
    ]
    kept = distinct_trades(trades(*lines))
    assert places(kept) == [0, 1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]


def test_leg_that_looks_like_another_stays_with_its_own_trade() -> None:
    # A maker who is back where it stood fills the same order against somebody else.
    rows = trades(trade_line(), party_line(1, oid=7))
    assert rows[0] | {"event_index": 2} == rows[2]
    assert distinct_trades(rows) == rows


# hand-over


def test_fills_that_a_newer_generation_has_are_left_to_it() -> None:
    older = fills(*[older_fill_line(oid=oid) for oid in (1, 2, 3)], older_fill_line(oid=2, tid=5))
    newer = slow_reader.read_lines(fill_line(oid=2, px="1.0") + b"\n" + fill_line(oid=9)).rows
    assert places(hand_over(newer, older)) == [0, 2, 3]
    assert hand_over([], older) == older
    assert hand_over(newer, []) == []
    assert hand_over(older, older) == []


@pytest.mark.parametrize(
    "change", [{"time": TIME + 1}, {"coin": "ETH"}, {"oid": 1}, {"tid": 1}], ids=str
)
def test_every_part_of_the_key_tells_fills_apart(change: dict[str, Any]) -> None:
    older, newer = fills(older_fill_line()), fills(older_fill_line(**change))
    assert hand_over(newer, older) == older
    assert hand_over(fills(older_fill_line(SELLER)), older) == older


def newer_leg(**changes: Any) -> bytes:
    """The buyer's leg of the ordinary trade, as a fill."""
    same: dict[str, Any] = {"time": 1_750_733_796_172, "oid": 105_686_971_733, "crossed": False}
    return older_fill_line(**(same | changes))


def test_leg_of_a_trade_is_left_to_the_fill_that_looks_like_it() -> None:
    older = trades(trade_line())
    assert places(hand_over(fills(newer_leg()), older)) == [1]
    assert places(hand_over(fills(newer_leg(px="100000.500", sz="0.250")), older)) == [1]
    for change in ({"time": TIME}, {"oid": 1}, {"side": "A"}, {"px": "1.0"}, {"sz": "1.0"}):
        assert hand_over(fills(newer_leg(**change)), older) == older


def test_legs_that_look_alike_are_counted() -> None:
    older = trades(*[party_line(1, oid=oid) for oid in (7, 8, 9)])
    newer = fills(newer_leg(tid=1), newer_leg(tid=2))
    assert places(hand_over(newer[:1], older)) == [1, 2, 3, 4, 5]
    assert places(hand_over(newer, older)) == [1, 3, 4, 5]
    assert places(hand_over([*newer, *newer], older)) == [1, 3, 5]


# objects


def test_object_is_read_through_its_frame(tmp_path: Path) -> None:
    path = tmp_path / "14.lz4"
    path.write_bytes(lz4.frame.compress(older_fill_line() + b"\n"))
    assert read_older_object(path, read_fill_line).rows == fills(older_fill_line())
    path.write_bytes(lz4.frame.compress(b""))
    assert read_older_object(path, read_trade_line).lines == 0
    path.write_bytes(b"")
    with pytest.raises(UnreadableObjectError):
        read_older_object(path, read_trade_line)


# the recorded trades


def test_recorded_trades_are_all_taken() -> None:
    reading = read_older_object(shared_file(TRADES), read_trade_line)
    assert (reading.lines, reading.taken, reading.blank_lines) == (17, 17, 0)
    assert reading.rejected == []
    assert places(reading.rows) == list(range(34))
    assert distinct_trades(reading.rows) == reading.rows
    assert all(tuple(row) == COLUMNS for row in reading.rows)
    assert {json.dumps(row["extra"]) for row in reading.rows} == {'{"trade_dir_override": "Na"}'}


def test_first_recorded_trade() -> None:
    buyer, seller = read_older_object(shared_file(TRADES), read_trade_line).rows[:2]
    moment = datetime.datetime(2025, 6, 24, 2, 56, 36, tzinfo=datetime.UTC)
    seconds = int(moment.timestamp())
    for row in (buyer, seller):
        assert (row["coin"], row["px"], row["sz"]) == ("@151", Decimal("2393.9"), Decimal("0.1539"))
        assert row["time"] == seconds * 1000 + 172
        assert row["block_time"] == seconds * 10**9 + 172_847_427
        assert row["hash"].startswith("0x2b21750229be7696")
    assert buyer["user_address"] == "0xecb63caa47c7c4e77f60f1ce858cf28dc2b82b00"
    assert seller["user_address"] == "0xb65117c1e1006e7b2413fa90e96fcbe3fa83ed75"
    assert (buyer["start_position"], seller["start_position"]) == (
        Decimal("1166.565307356"),
        Decimal("0.153928559"),
    )
    assert (buyer["oid"], seller["oid"]) == (105_686_971_733, 105_686_976_226)
    assert (buyer["cloid"], seller["cloid"]) == ("0x1070fff92506b3ab5e5aec135e5a5ddd", None)
    assert (buyer["crossed"], seller["crossed"]) == (False, True)


def test_recorded_takers_have_the_younger_order() -> None:
    rows = read_older_object(shared_file(TRADES), read_trade_line).rows
    for buyer, seller in zip(rows[0::2], rows[1::2], strict=True):
        assert buyer["crossed"] == (buyer["oid"] > seller["oid"])


def test_recorded_hashes_cover_several_trades() -> None:
    rows = read_older_object(shared_file(TRADES), read_trade_line).rows
    assert max(Counter(row["hash"] for row in rows).values()) == 4
