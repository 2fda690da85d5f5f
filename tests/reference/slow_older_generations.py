"""Reads `node_fills` and `node_trades` objects line by line, and hands over to newer generations.

Rows have the columns of the lake, with `liquidation` and `extra` as parsed objects, as those of
`slow_reader` have them. Repeats within an object stay in the rows until they are asked to go.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .slow_reader import (
    JSON_WHITESPACE,
    RejectedLineError,
    Row,
    decimal,
    decompress,
    is_address,
    nanoseconds,
    not_negative,
    parse_json,
    read_fill,
    side,
    text,
    whole_number,
)

COLUMNS = (
    "time",
    "user_address",
    "coin",
    "px",
    "sz",
    "side",
    "dir",
    "start_position",
    "closed_pnl",
    "fee",
    "fee_token",
    "crossed",
    "hash",
    "oid",
    "tid",
    "cloid",
    "twap_id",
    "builder",
    "builder_fee",
    "deployer_fee",
    "priority_gas",
    "liquidation",
    "extra",
    "block_number",
    "event_index",
    "block_time",
    "local_time",
    "block_extra",
)

LineReader = Callable[[bytes, int], list[Row]]


class OlderReading(NamedTuple):
    """What one object or byte string holds: lines = taken + rejected + blank_lines."""

    rows: list[Row]
    rejected: list[tuple[int, int, str]]  # line number from 1, byte offset from 0, reason
    blank_lines: int
    lines: int
    taken: int


def read_older_object(path: Path, read_line: LineReader) -> OlderReading:
    """Read one object; names ending in `.lz4` are LZ4 frames, anything else is plain lines."""
    data = Path(path).read_bytes()
    if str(path).endswith(".lz4"):
        data = decompress(data)
    return read_older_lines(data, read_line)


def read_older_lines(data: bytes, read_line: LineReader) -> OlderReading:
    """Read every line of decompressed bytes; lines end at `\\n` only."""
    pieces = data.split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()  # what follows the last newline is not a line
    rows: list[Row] = []
    rejected: list[tuple[int, int, str]] = []
    blank_lines = 0
    taken = 0
    offset = 0
    for number, line in enumerate(pieces, start=1):
        if line.strip(JSON_WHITESPACE) == b"":
            blank_lines += 1
        else:
            try:
                rows.extend(read_line(line, number))
                taken += 1
            except RejectedLineError as refusal:
                rejected.append((number, offset, str(refusal)))
        offset += len(line) + 1
    return OlderReading(rows, rejected, blank_lines, len(pieces), taken)


# generation 2


def read_fill_line(line: bytes, line_number: int) -> list[Row]:
    """The one row of `["0xaddress", {fill}]`, or RejectedLineError."""
    pair = parse_json(line)
    if type(pair) is not list or len(pair) != 2:
        raise RejectedLineError("wrong shape: the line is not a pair of address and fill")
    address, fill = pair
    if not is_address(address):
        raise RejectedLineError("wrong shape: the line has no address")
    if type(fill) is not dict:
        raise RejectedLineError("wrong shape: the line has no fill object")
    row = empty_row()
    row.update(read_fill(fill))
    row["user_address"] = address.lower()
    row["event_index"] = line_number - 1
    return [row]


def distinct_fill_lines(rows: list[Row]) -> list[Row]:
    """The rows without those that say the same as an earlier one; the first one stays."""
    kept: list[Row] = []
    by_key: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        content = {column: row[column] for column in row if column != "event_index"}
        alike = by_key.setdefault(fill_key(row), [])
        if content not in alike:
            alike.append(content)
            kept.append(row)
    return kept


# generation 1


def read_trade_line(line: bytes, line_number: int) -> list[Row]:
    """The buyer's and the seller's row of a trade, or RejectedLineError."""
    rest = parse_json(line)
    if type(rest) is not dict:
        raise RejectedLineError("wrong shape: the line is not an object")
    when = need(rest, "time", nanoseconds)
    aggressor = need(rest, "side", side)
    shared = {
        "time": when // 1_000_000,
        "block_time": when,
        "coin": need(rest, "coin", text),
        "px": need(rest, "px", not_negative),
        "sz": need(rest, "sz", not_negative),
        "hash": need(rest, "hash", text),
    }
    parties = need(rest, "side_info", as_it_is)
    if type(parties) is not list or len(parties) != 2:
        raise RejectedLineError("side_info is not a list of two")
    rows = []
    for place, letter in [(0, "B"), (1, "A")]:
        try:
            own, unknown = read_party(parties[place])
        except RejectedLineError as refusal:
            raise RejectedLineError(f"side_info {place}: {refusal}") from refusal
        row = empty_row()
        row.update(shared)
        row.update(own)
        row["side"] = letter
        row["crossed"] = letter == aggressor
        row["event_index"] = 2 * (line_number - 1) + place
        extra = dict(rest)  # what is left of the line, and beside it what is left of the entry
        extra.update(unknown)
        row["extra"] = extra or None
        rows.append(row)
    return rows


def read_party(party: Any) -> tuple[Row, Row]:
    """The columns that one entry of `side_info` fills, and its unknown keys."""
    if type(party) is not dict:
        raise RejectedLineError("wrong shape: not an object")
    rest = dict(party)
    columns = {
        "user_address": need(rest, "user", address).lower(),
        "start_position": need(rest, "start_pos", decimal),
        "oid": need(rest, "oid", whole_number),
        "twap_id": may(rest, "twap_id", whole_number),
        "cloid": may(rest, "cloid", text),
    }
    return columns, rest


def distinct_trades(rows: list[Row]) -> list[Row]:
    """The rows of `node_trades` without the trades that an earlier line has told already.

    A trade is known by its coin, its nanosecond, both order ids and its size.
    """
    seen = set()
    kept = []
    for buyer, seller in zip(rows[0::2], rows[1::2], strict=True):
        if buyer["event_index"] + 1 != seller["event_index"]:
            raise ValueError("the rows of a trade do not stand together")
        key = (buyer["coin"], buyer["block_time"], buyer["oid"], seller["oid"], buyer["sz"])
        if key not in seen:
            seen.add(key)
            kept += [buyer, seller]
    return kept


# hand-over


def hand_over(newer_rows: list[Row], older_rows: list[Row]) -> list[Row]:
    """The older rows that are not among the newer ones, in their order.

    Rows of generation 1, which have no `tid`, are held against the newer ones by what both know,
    one against one: of three that look alike, two newer ones take the first two away. All other
    rows are known by the fill's key.
    """
    fills = {fill_key(row) for row in newer_rows if row["tid"] is not None}
    legs = Counter(leg_key(row) for row in newer_rows)
    left = []
    for row in older_rows:
        if row["tid"] is not None:
            if fill_key(row) not in fills:
                left.append(row)
        elif legs[leg_key(row)] > 0:
            legs[leg_key(row)] -= 1
        else:
            left.append(row)
    return left


def fill_key(row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in ("time", "user_address", "coin", "oid", "tid"))


def leg_key(row: Row) -> tuple[Any, ...]:
    columns = ("time", "user_address", "coin", "oid", "side", "px", "sz")
    return tuple(row[column] for column in columns)


# fields


def empty_row() -> Row:
    return dict.fromkeys(COLUMNS)


def need(rest: Row, key: str, check: Callable[[Any, str], Any]) -> Any:
    """Take an obligatory key out of what is left."""
    if key not in rest:
        raise RejectedLineError(f"missing field {key}")
    return check(rest.pop(key), key)


def may(rest: Row, key: str, check: Callable[[Any, str], Any]) -> Any:
    """Take a key out of what is left; absent is as good as null."""
    value = rest.pop(key, None)
    return None if value is None else check(value, key)


def as_it_is(value: Any, _name: str) -> Any:
    return value


def address(value: Any, name: str) -> str:
    if not is_address(value):
        raise RejectedLineError(f"{name} is no address")
    return text(value, name)
