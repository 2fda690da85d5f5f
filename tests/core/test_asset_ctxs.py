"""Lines of asset_ctxs, against a reader made of the csv module and Decimal."""

import csv
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.shared_files import shared_file
from vigil_core.snapshots.asset_ctxs import (
    COLUMN_DESCRIPTIONS,
    OBLIGATORY,
    SCHEMA,
    DecodedDay,
    HeaderUnreadable,
    LineRejected,
    check_line,
    decode_day,
    minutes_present,
    missing_minutes,
    read_header,
)

DAY = date(2025, 1, 1)
RECORDED = "data/real/asset_ctxs/20250101_head.csv"
HEADER = ",".join(OBLIGATORY).encode()
BTC = (
    b"2025-01-01T00:00:00Z,BTC,0.0000125,8026.12074,92827,1534891576.0827198,0.00045952,93576,"
    b"93620,93619.5,93619,93620"
)
ETH = BTC.replace(b",BTC,", b",ETH,")
LATER = BTC.replace(b"T00:00", b"T00:01")


def with_field(name: str, value: bytes, line: bytes = BTC) -> bytes:
    fields = line.split(b",")
    fields[OBLIGATORY.index(name)] = value
    return b",".join(fields)


def decode(*lines: bytes, header: bytes = HEADER, day: date = DAY) -> DecodedDay:
    return decode_day([[header, *lines]], day)


def slowly(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows of good lines, sorted, as somebody else would read them."""
    found = {}
    for row in csv.DictReader(line.decode() for line in lines):
        time = datetime.strptime(row["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        values: dict[str, Any] = {"time": int(time.timestamp()) * 1000, "coin": row["coin"]}
        for name in OBLIGATORY[2:]:
            values[name] = None if row[name] in ("", "null") else Decimal(row[name])
        found.setdefault((values["time"], values["coin"].encode()), values)
    return [found[key] for key in sorted(found)]


def assert_equal_cells(rows: pl.DataFrame, expected: list[dict[str, Any]]) -> None:
    assert rows.height == len(expected)
    for mine, other in zip(rows.iter_rows(named=True), expected, strict=True):
        assert {name: mine[name] for name in OBLIGATORY} == other


# --- what is read --------------------------------------------------------------------------


def test_recorded_lines_equal_the_slow_reader_in_every_cell() -> None:
    lines = shared_file(RECORDED).read_bytes().splitlines()

    day = decode_day([lines], DAY)

    assert (day.rows.height, day.lines, day.rejected) == (8, 9, [])
    assert_equal_cells(day.rows, slowly(lines))
    assert dict(day.rows.schema) == SCHEMA
    assert day.rows["day_ntl_vlm"][0] == Decimal("1534891576.0827198")


def test_many_lines_equal_the_slow_reader_in_every_cell() -> None:
    dice = random.Random(5)
    lines = [HEADER]
    for minute in dice.sample(range(1440), 300):
        for coin in ("BTC", "kPEPE", "xyz:TSLA", "Ünï", "#12"):
            figures = [f"{dice.uniform(-1e6, 1e6):.{dice.randrange(13)}f}" for _ in range(10)]
            for place in (4, 7, 8, 9):
                if dice.random() < 0.2:
                    figures[place] = dice.choice(["", "null"])
            stamp = f"2025-01-01T{minute // 60:02}:{minute % 60:02}:00Z"
            lines.append(",".join([stamp, coin, *figures]).encode())

    day = decode_day([lines[:10], lines[10:700], [], lines[700:]], DAY)

    assert day.rejected == []
    assert_equal_cells(day.rows, slowly(lines))


def test_rows_are_sorted_by_minute_and_coin() -> None:
    rows = decode(LATER, ETH, BTC).rows

    assert rows.select("time", "coin").rows() == [
        (1_735_689_600_000, "BTC"),
        (1_735_689_600_000, "ETH"),
        (1_735_689_660_000, "BTC"),
    ]


@pytest.mark.parametrize("name", ["premium", "mid_px", "impact_bid_px", "impact_ask_px"])
@pytest.mark.parametrize("nothing", [b"", b"null"])
def test_nothing_is_null_where_there_may_be_nothing(name: str, nothing: bytes) -> None:
    [row] = decode(with_field(name, nothing)).rows.to_dicts()
    assert row[name] is None
    assert [key for key, value in row.items() if value is None] == [name, "extra"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("day_ntl_vlm", "1234.5000000000002"),
        ("day_ntl_vlm", "-0.000000000000000001"),
        ("day_ntl_vlm", "9" * 20 + "." + "9" * 18),
        ("funding", "-0.000000000001"),
        ("open_interest", "9" * 26 + "." + "9" * 12),
        ("mark_px", "000.10"),
        ("oracle_px", "0"),
        ("premium", "-0.0005927453"),
    ],
)
def test_a_decimal_is_kept_to_its_last_digit(name: str, text: str) -> None:
    assert decode(with_field(name, text.encode())).rows[name].to_list() == [Decimal(text)]


def test_another_order_of_columns_gives_the_same_rows() -> None:
    order = [*reversed(OBLIGATORY)]
    fields = dict(zip(OBLIGATORY, BTC.split(b","), strict=True))

    turned = decode(b",".join(fields[n] for n in order), header=",".join(order).encode())

    assert turned.rows.equals(decode(BTC).rows)


@pytest.mark.parametrize(
    "lines",
    [
        [BTC + b"\r"],
        [b'"2025-01-01T00:00:00Z","BTC"' + BTC[24:]],
        [b"", BTC, b" \t\r"],
    ],
    ids=["carriage_return", "quotes", "blank_lines"],
)
def test_other_ways_to_write_the_same_row(lines: list[bytes]) -> None:
    day = decode(*lines, header=b"\xef\xbb\xbf" + HEADER + b"\r")
    assert day.rows.equals(decode(BTC).rows)
    assert day.rejected == []
    assert day.blank_lines == len(lines) - 1


def test_unknown_columns_are_kept_as_json_and_counted() -> None:
    header = b'new,"raw,text",' + HEADER
    lines = [b"1.50,," + BTC, b'"say ""hi""",\xc3\xbc,' + ETH]

    day = decode(*lines, header=header)

    assert day.rows["extra"].to_list() == [
        '{"new":"1.50","raw,text":""}',
        '{"new":"say \\"hi\\"","raw,text":"ü"}',
    ]
    assert day.unknown_columns == {"new": 2, "raw,text": 2}
    assert day.rows.drop("extra").equals(decode(BTC, ETH).rows.drop("extra"))


@pytest.mark.parametrize("name", ["extra", "raw", "_text", "_fields", "line_number"])
def test_an_unknown_column_may_have_any_name(name: str) -> None:
    day = decode(BTC + b",7", BTC + b",8", b"{", header=HEADER + b"," + name.encode())
    assert day.rows["extra"].to_list() == [f'{{"{name}":"7"}}']
    assert [r.line_number for r in day.rejected] == [3, 4]


# --- what is not ---------------------------------------------------------------------------

HOSTILE = {
    "cut": (BTC[:70], "fields"),
    "too_many_fields": (BTC + b",", "expected 12 fields, found 13"),
    "no_utf8": (with_field("coin", b"\xff"), "not UTF-8 at byte 21"),
    "nul": (with_field("coin", b"B\0C"), "NUL"),
    "header_again": (HEADER, "time: expected"),
    "json": (b'{"a":1}', "fields|CSV"),
    "quote_left_open": (with_field("coin", b'"BTC'), "not CSV"),
    "quote_inside": (with_field("coin", b'"B"TC'), "not CSV"),
    "return_inside": (with_field("coin", b"B\rC"), "coin"),
    "long_line": (b"9" * 300_000, "fields"),
    "day_before": (with_field("time", b"2024-12-31T23:59:00Z"), "time: expected on 2025-01-01"),
    "day_after": (with_field("time", b"2025-01-02T00:00:00Z"), "time: expected on 2025-01-01"),
    "leap_second": (with_field("time", b"2025-01-01T23:59:60Z"), "time: expected a time"),
    "hour_24": (with_field("time", b"2025-01-01T24:00:00Z"), "time: expected"),
    "minute_60": (with_field("time", b"2025-01-01T00:60:00Z"), "time: expected a time"),
    "no_zone": (with_field("time", b"2025-01-01T00:00:00"), "time: expected a time"),
    "other_zone": (with_field("time", b"2025-01-01T00:00:00+00:00"), "time: expected a time"),
    "with_space": (with_field("time", b"2025-01-01 00:00:00"), "time: expected a time"),
    "milliseconds": (with_field("time", b"1735689600000"), "time: expected a time"),
    "time_digits": (with_field("time", "2025-01-01T00:00:0٠Z".encode()), "time: expected a time"),
    "no_coin": (with_field("coin", b""), "coin: expected"),
    "space_in_coin": (with_field("coin", b"B C"), "coin: expected"),
    "exponent": (with_field("funding", b"1.25e-5"), "funding: expected a decimal"),
    "nan": (with_field("mark_px", b"NaN"), "mark_px: expected"),
    "inf": (with_field("mid_px", b"inf"), "mid_px: expected .* or nothing"),
    "space": (with_field("mark_px", b" 1"), "mark_px: expected"),
    "plus": (with_field("mark_px", b"+1"), "mark_px: expected"),
    "two_points": (with_field("mark_px", b"1.2.3"), "mark_px: expected"),
    "no_whole_part": (with_field("mark_px", b".5"), "mark_px: expected"),
    "no_fraction": (with_field("mark_px", b"5."), "mark_px: expected"),
    "underscore": (with_field("mark_px", b"1_000"), "mark_px: expected"),
    "other_digits": (with_field("mark_px", "٣".encode()), "mark_px: expected"),
    "thirteen_decimals": (with_field("mark_px", b"1.0000000000000"), "at most 26.12 digits"),
    "nineteen_decimals": (with_field("day_ntl_vlm", b"1." + b"0" * 19), "at most 20.18 digits"),
    "too_large": (with_field("open_interest", b"1" * 27), "at most 26.12 digits"),
    "volume_too_large": (with_field("day_ntl_vlm", b"1" * 21), "at most 20.18 digits"),
    "400_digits": (with_field("oracle_px", b"1" * 400), "oracle_px: expected"),
    "no_mark": (with_field("mark_px", b""), "mark_px: expected"),
    "null_oracle": (with_field("oracle_px", b"null"), "oracle_px: expected"),
    "NULL": (with_field("premium", b"NULL"), "premium: expected"),
}


@pytest.mark.parametrize(("bad", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_bad_line_is_kept_with_its_place_and_the_rest_is_read(bad: bytes, reason: str) -> None:
    day = decode(BTC, bad, ETH)

    [rejection] = day.rejected
    assert (rejection.line_number, rejection.raw) == (3, bad)
    assert rejection.byte_offset == len(HEADER) + 1 + len(BTC) + 1
    with pytest.raises(LineRejected, match=reason) as caught:
        check_line(bad, read_header(HEADER), DAY)
    assert rejection.reason == str(caught.value)
    assert len(rejection.reason) < 200
    assert day.rows.equals(decode(BTC, ETH).rows)


def test_places_do_not_depend_on_how_lines_are_batched() -> None:
    lines = [HEADER, BTC, b"{", b"", ETH, b"\xff", LATER, BTC, with_field("mark_px", b"1")]
    whole = decode_day([lines], DAY)
    for cut in range(len(lines) + 1):
        parts = decode_day([lines[:cut], lines[cut:]], DAY)
        assert parts.rows.equals(whole.rows)
        assert (parts.rejected, parts.repeated) == (whole.rejected, whole.repeated)
        assert (parts.lines, parts.blank_lines) == (whole.lines, whole.blank_lines)
    for rejection in whole.rejected:
        text = b"\n".join(lines)[rejection.byte_offset :]
        assert text.startswith(rejection.raw)
    accounted = 1 + whole.rows.height + whole.repeated + len(whole.rejected) + whole.blank_lines
    assert accounted == whole.lines == len(lines)


FIELD = st.one_of(
    st.sampled_from(["", "null", "1", "-1.5", "0.0000000000001", "1e5", "٣", '"1"', "1\r", "a,b"]),
    st.text(max_size=6).filter(lambda text: "\n" not in text),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(OBLIGATORY), FIELD)
def test_both_readers_give_the_same_verdict(name: str, value: str) -> None:
    line = with_field(name, value.encode())

    day = decode(line)

    assert [r.reason for r in day.rejected] == verdict(line)
    if not day.rejected:
        assert_equal_cells(day.rows, slowly([HEADER, line]))


def verdict(line: bytes) -> list[str]:
    """Why the exact reader refuses a line, if it does."""
    try:
        check_line(line, read_header(HEADER), DAY)
    except LineRejected as error:
        return [str(error)]
    return []


# --- the same coin and minute twice --------------------------------------------------------


def test_a_repeated_row_is_kept_once() -> None:
    same = with_field("mark_px", b"93620.00")
    day = decode(BTC, ETH, same, BTC)
    assert (day.repeated, day.rejected) == (2, [])
    assert day.rows.equals(decode(BTC, ETH).rows)


@pytest.mark.parametrize("value", [b"1", b""])
def test_of_contradicting_rows_the_first_is_kept(value: bytes) -> None:
    other = with_field("premium", value)
    day = decode(ETH, BTC, other, BTC, other)
    assert day.rows.equals(decode(BTC, ETH).rows)
    assert day.repeated == 1
    assert [(r.line_number, r.raw) for r in day.rejected] == [(4, other), (6, other)]
    assert {r.reason for r in day.rejected} == {"time, coin: contradicts line 3"}


def test_rows_that_differ_in_an_unknown_column_contradict_each_other() -> None:
    day = decode(BTC + b",1", BTC + b",2", BTC + b",1", header=HEADER + b",new")
    assert (day.rows.height, len(day.rejected), day.repeated) == (1, 1, 1)


# --- the header ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OBLIGATORY)
def test_a_missing_column_is_named(name: str) -> None:
    header = ",".join(n for n in OBLIGATORY if n != name).encode()
    with pytest.raises(HeaderUnreadable, match=f"{name} missing"):
        decode(BTC, header=header)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"new\0," + HEADER, "a NUL"),
        (b"", "missing"),
        (BTC, "missing"),
        (b"\xff", "not UTF-8"),
        (b'"', "not CSV"),
        (HEADER + b",coin", "'coin' named more than once"),
        (HEADER + b",a,a", "'a' named more than once"),
    ],
)
def test_a_header_that_is_none_is_refused(header: bytes, reason: str) -> None:
    with pytest.raises(HeaderUnreadable, match=reason):
        decode(BTC, header=header)


def test_a_file_without_a_line_has_no_header() -> None:
    with pytest.raises(HeaderUnreadable, match="empty"):
        decode_day([], DAY)


def test_a_header_alone_is_a_day_without_rows() -> None:
    day = decode()
    assert (day.rows.height, day.lines) == (0, 1)
    assert dict(day.rows.schema) == SCHEMA


# --- minutes -------------------------------------------------------------------------------


def test_minutes_that_are_missing_come_as_ranges() -> None:
    day = decode(BTC, ETH, LATER, BTC.replace(b"T00:00", b"T23:58"))
    present = minutes_present(day.rows, DAY)
    assert present == {0, 1, 1438}
    assert missing_minutes(present) == [(2, 1437), (1439, 1439)]
    assert missing_minutes([]) == [(0, 1439)]
    assert missing_minutes(range(1440)) == []


def test_every_column_is_described() -> None:
    assert COLUMN_DESCRIPTIONS.keys() == SCHEMA.keys()
