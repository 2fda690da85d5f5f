"""The two older formats of the node against their slow readers, column for column."""

import json
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tests.reference.hostile_older_lines import (
    hostile_fill_lines,
    hostile_trade_lines,
    older_fill_line,
    trade_line,
)
from tests.reference.shared_files import shared_file
from tests.reference.slow_older_generations import (
    LineReader,
    read_fill_line,
    read_older_lines,
    read_trade_line,
)
from vigil_core.fills.arrow import plain
from vigil_core.fills.reading import FillReader, Found, LineFormat
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.rejections import Rejection

RECORDED_TRADES = "data/real/node_trades/20250624_02_trades_00-16.jsonl"
FORMATS = [
    pytest.param(LineFormat.EVENT, read_fill_line, hostile_fill_lines(), id="node_fills"),
    pytest.param(LineFormat.TRADE, read_trade_line, hostile_trade_lines(), id="node_trades"),
]


def read(content: bytes, line_format: LineFormat) -> tuple[pl.DataFrame, Found, list[Rejection]]:
    found, rejected = Found(), list[Rejection]()
    tables = FillReader(group_rows=64).read([content], line_format, found, rejected.append)
    frames = [pl.DataFrame(pl.from_arrow(plain(table))).cast(LAKE_SCHEMA) for table in tables]
    return pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), *frames]), found, rejected


def same_as_slow_reader(content: bytes, line_format: LineFormat, slow: LineReader) -> Found:
    fills, found, rejected = read(content, line_format)
    expected = read_older_lines(content, slow)
    assert [(r.line_number, r.byte_offset) for r in rejected] == [
        place[:2] for place in expected.rejected
    ]
    assert (found.lines, found.blank_lines) == (expected.lines, expected.blank_lines)
    mine = fills.to_dicts()
    assert len(mine) == len(expected.rows)
    for row, wanted in zip(mine, expected.rows, strict=True):
        assert row.keys() == wanted.keys()
        for column in ("liquidation", "extra", "block_extra"):
            row[column] = _parsed(row[column])
        assert {name: row[name] for name in row if row[name] != wanted[name]} == {}
    return found


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text, parse_int=Decimal, parse_float=Decimal)


@pytest.mark.slow
@pytest.mark.parametrize(("line_format", "slow", "hostile"), FORMATS)
def test_every_hostile_line_gets_its_verdict_and_its_rows(
    line_format: LineFormat, slow: LineReader, hostile: list[tuple[bytes, str | None]]
) -> None:
    for line, reason in hostile:
        _, _, rejected = read(line, line_format)
        assert bool(rejected) == (reason is not None), line
        same_as_slow_reader(line, line_format, slow)


@pytest.mark.parametrize(("line_format", "slow", "hostile"), FORMATS)
def test_hostile_lines_among_good_ones(
    line_format: LineFormat, slow: LineReader, hostile: list[tuple[bytes, str | None]]
) -> None:
    good = older_fill_line() if line_format is LineFormat.EVENT else trade_line()
    lines = [piece for line, _ in hostile for piece in (good, line, b"", good)]
    same_as_slow_reader(b"\n".join(lines), line_format, slow)


def test_ordinary_fills_are_read_by_the_compiled_reader() -> None:
    content = b"\n".join(older_fill_line(tid=i) for i in range(200))
    found = same_as_slow_reader(content, LineFormat.EVENT, read_fill_line)
    assert found.slow_lines == 0


def test_recorded_trades() -> None:
    content = shared_file(RECORDED_TRADES).read_bytes()
    found = same_as_slow_reader(content, LineFormat.TRADE, read_trade_line)
    assert (found.lines, found.rejected) == (len(content.splitlines()), 0)
    fills, _, _ = read(content, LineFormat.TRADE)
    # The taker's order is the younger one: of each pair the row that crossed has the larger oid.
    takers, makers = fills.filter("crossed"), fills.filter(~pl.col("crossed"))
    assert (takers["oid"] > makers["oid"]).all()
