"""Reads `node_fills_by_block` objects line by line, with a verdict and a reason for each line."""

import datetime
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import lz4.frame

Row = dict[str, Any]

DIGITS = "0123456789"
HEX_DIGITS = DIGITS + "abcdefABCDEF"
JSON_WHITESPACE = b" \t\r"
MAX_DEPTH = 200
EARLIEST_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z, included
LATEST_MS = 4_102_444_800_000  # 2100-01-01T00:00:00Z, excluded
EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001


class RejectedLineError(Exception):
    """The line cannot be taken; the text says why."""


class UnreadableObjectError(Exception):
    """The whole object is unusable (cut or damaged LZ4); no row may come from it."""


class Reading(NamedTuple):
    """What one object or byte string holds: lines = blocks + rejected + blank_lines."""

    rows: list[Row]
    rejected: list[tuple[int, int, str]]  # line number from 1, byte offset from 0, reason
    blank_lines: int
    lines: int
    blocks: int


def read_object(path: Path) -> Reading:
    """Read one object; names ending in `.lz4` are LZ4 frames, anything else is plain lines."""
    data = Path(path).read_bytes()
    if str(path).endswith(".lz4"):
        data = decompress(data)
    return read_lines(data)


def decompress(data: bytes) -> bytes:
    """All frames of an LZ4 object; an error if anything is cut, damaged or left over."""
    if not data:
        raise UnreadableObjectError("empty object")
    plain = b""
    rest = data
    while rest:
        frame = lz4.frame.LZ4FrameDecompressor()
        try:
            plain += frame.decompress(rest)
        except RuntimeError as error:
            raise UnreadableObjectError(f"damaged LZ4 frame: {error}") from error
        if not frame.eof:
            raise UnreadableObjectError("LZ4 frame ends too early")
        rest = frame.unused_data or b""
    return plain


def read_lines(data: bytes) -> Reading:
    """Read every line of decompressed bytes; lines end at `\\n` only."""
    pieces = data.split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()  # what follows the last newline is not a line
    rows: list[Row] = []
    rejected: list[tuple[int, int, str]] = []
    blank_lines = 0
    blocks = 0
    offset = 0
    for number, line in enumerate(pieces, start=1):
        if line.strip(JSON_WHITESPACE) == b"":
            blank_lines += 1
        else:
            try:
                rows.extend(read_block(line))
                blocks += 1
            except RejectedLineError as refusal:
                rejected.append((number, offset, str(refusal)))
        offset += len(line) + 1
    return Reading(rows, rejected, blank_lines, len(pieces), blocks)


def read_block(line: bytes) -> list[Row]:
    """The rows of one line, or RejectedLineError: a block is taken whole or not at all."""
    block = parse_json(line)
    if type(block) is not dict:
        raise RejectedLineError("wrong shape: the line is not an object")
    for key in ("local_time", "block_time", "block_number", "events"):
        if key not in block:
            raise RejectedLineError(f"wrong shape: no {key}")
    block_number = whole_number(block["block_number"], "block_number")
    block_time = nanoseconds(block["block_time"], "block_time")
    nanoseconds(block["local_time"], "local_time")
    events = block["events"]
    if type(events) is not list:
        raise RejectedLineError("wrong shape: events is not a list")
    rows = []
    for index, pair in enumerate(events):
        if type(pair) is not list or len(pair) != 2:
            raise RejectedLineError(f"wrong shape: event {index} is not a pair")
        address, fill = pair
        if not is_address(address):
            raise RejectedLineError(f"wrong shape: event {index} has no address")
        if type(fill) is not dict:
            raise RejectedLineError(f"wrong shape: event {index} has no fill object")
        try:
            row = read_fill(fill)
        except RejectedLineError as refusal:
            raise RejectedLineError(f"event {index}: {refusal}") from refusal
        row["user_address"] = address.lower()
        row["block_number"] = block_number
        row["event_index"] = index
        row["block_time"] = block_time
        rows.append(row)
    return rows


def read_fill(fill: dict[str, Any]) -> Row:
    """One fill object as a row, still without what the envelope knows."""
    rest = dict(fill)

    def need(key: str, check: Callable[[Any, str], Any]) -> Any:
        if key not in rest:
            raise RejectedLineError(f"missing field {key}")
        return check(rest.pop(key), key)

    def may(key: str, check: Callable[[Any, str], Any]) -> Any:
        value = rest.pop(key, None)
        return None if value is None else check(value, key)

    row: Row = {
        "time": need("time", milliseconds),
        "coin": need("coin", text),
        "px": need("px", not_negative),
        "sz": need("sz", not_negative),
        "side": need("side", side),
        "dir": need("dir", text),
        "start_position": need("startPosition", decimal),
        "closed_pnl": need("closedPnl", decimal),
        "fee": need("fee", decimal),
        "fee_token": need("feeToken", text),
        "crossed": need("crossed", boolean),
        "hash": need("hash", text),
        "oid": need("oid", whole_number),
        "tid": need("tid", whole_number),
        "cloid": may("cloid", text),
        "twap_id": may("twapId", whole_number),
        "builder": may("builder", lower_text),
        "builder_fee": may("builderFee", decimal),
        "deployer_fee": may("deployerFee", decimal),
        "priority_gas": may("priorityGas", decimal),
        "liquidation": may("liquidation", json_object),
    }
    row["extra"] = rest or None
    return row


def distinct_fills(rows: list[Row]) -> list[Row]:
    """The rows without repeats of the same (block_number, event_index); the first one stays."""
    seen = set()
    kept = []
    for row in rows:
        key = (row["block_number"], row["event_index"])
        if key not in seen:
            seen.add(key)
            kept.append(row)
    return kept


# JSON


def parse_json(line: bytes) -> Any:
    """Strict JSON of one line: UTF-8, no NaN, no repeated key, no absurd depth."""
    try:
        content = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RejectedLineError("not UTF-8") from error
    try:
        value = json.loads(
            content,
            object_pairs_hook=object_without_repeats,
            parse_int=exact_integer,
            parse_float=exact_decimal,
            parse_constant=no_constant,
        )
    except RecursionError as error:
        raise RejectedLineError("nested too deep") from error
    except ValueError as error:
        raise RejectedLineError(f"not JSON: {error}") from error
    inspect_value(value, 1)
    return value


def object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise RejectedLineError(f"duplicate key {key}")
        result[key] = value
    return result


def exact_integer(digits: str) -> int | Decimal:
    """An int; a Decimal where it is far too long to be any of our integers."""
    return int(digits) if len(digits) <= 30 else exact_decimal(digits)


def exact_decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation as error:
        raise RejectedLineError("number beyond any range") from error


def no_constant(name: str) -> Any:
    raise RejectedLineError(f"not JSON: {name}")


def inspect_value(value: Any, depth: int) -> None:
    """Refuse what cannot be stored as text or walked: U+0000, lone surrogates, great depth."""
    if type(value) is str:
        for character in value:
            if character == "\x00" or "\ud800" <= character <= "\udfff":
                raise RejectedLineError("text that cannot be stored (NUL or lone surrogate)")
    elif type(value) is dict or type(value) is list:
        if depth > MAX_DEPTH:
            raise RejectedLineError("nested too deep")
        if type(value) is dict:
            for key in value:
                inspect_value(key, depth + 1)
        for item in value.values() if type(value) is dict else value:
            inspect_value(item, depth + 1)


# fields


def text(value: Any, name: str) -> str:
    if type(value) is not str:
        raise RejectedLineError(f"{name} is not a text")
    return value


def lower_text(value: Any, name: str) -> str:
    return text(value, name).lower()


def boolean(value: Any, name: str) -> bool:
    if type(value) is not bool:
        raise RejectedLineError(f"{name} is not true or false")
    return value


def json_object(value: Any, name: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise RejectedLineError(f"{name} is not an object")
    return value


def side(value: Any, name: str) -> str:
    if value != "A" and value != "B":
        raise RejectedLineError(f"{name} is neither A nor B")
    return text(value, name)


def whole_number(value: Any, name: str) -> int:
    """An integer (not true, not 1.0) of 64 bits."""
    if type(value) is not int:
        raise RejectedLineError(f"{name} is not an integer")
    if not -(2**63) <= value < 2**63:
        raise RejectedLineError(f"{name} exceeds 64 bits")
    return value


def milliseconds(value: Any, name: str) -> int:
    number = whole_number(value, name)
    if not EARLIEST_MS <= number < LATEST_MS:
        raise RejectedLineError(f"{name} is not between 2020 and 2100")
    return number


def decimal(value: Any, name: str) -> Decimal:
    """A text of an optional minus, 1 to 26 digits, and optionally a point and 1 to 12 digits."""
    if type(value) is not str:
        raise RejectedLineError(f"{name} is not a decimal text")
    unsigned = value.removeprefix("-")
    whole, point, fraction = unsigned.partition(".")
    good = 1 <= len(whole) <= 26 and all(c in DIGITS for c in whole)
    if point:
        good = good and 1 <= len(fraction) <= 12 and all(c in DIGITS for c in fraction)
    if not good:
        raise RejectedLineError(f"{name} is not a decimal of at most 26 and 12 digits")
    return Decimal(value)


def not_negative(value: Any, name: str) -> Decimal:
    number = decimal(value, name)
    if number < 0:
        raise RejectedLineError(f"{name} is negative")
    return number


def is_address(value: Any) -> bool:
    """0x and 40 hex digits, of either case."""
    if type(value) is not str or len(value) != 42 or not value.startswith("0x"):
        return False
    return all(c in HEX_DIGITS for c in value[2:])


def nanoseconds(value: Any, name: str) -> int:
    """`YYYY-MM-DDTHH:MM:SS` with up to nine decimals and no zone, as ns since 1970 UTC."""
    moment, point, fraction = text(value, name).partition(".")
    shape = "".join("9" if c in DIGITS else c for c in moment)
    good = shape == "9999-99-99T99:99:99"
    if point:
        good = good and 1 <= len(fraction) <= 9 and all(c in DIGITS for c in fraction)
    if not good:
        raise RejectedLineError(f"{name} is not a naive ISO time")
    try:
        seconds = (datetime.datetime.fromisoformat(moment) - EPOCH) // datetime.timedelta(seconds=1)
    except ValueError as error:
        raise RejectedLineError(f"{name} is no date") from error
    if not EARLIEST_MS <= seconds * 1000 < LATEST_MS:
        raise RejectedLineError(f"{name} is not between 2020 and 2100")
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))
