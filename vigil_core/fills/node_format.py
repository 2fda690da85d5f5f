"""Lines of `node_fills_by_block` → a fills frame, and what could not be read.

Two readers share one verdict. `check_line` is slow and exact: it says what a line is, or why
it is none. The batch reader decodes thousands of lines at once and accepts only what it can
prove ordinary; any surprise hands the batch to `check_line`, so that speed never decides
what is accepted. A line is a block, and a block is taken whole or not at all.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import polars as pl

from vigil_core.calendar import iso_ns
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY

EARLIEST_MS = 1_577_836_800_000
LATEST_MS = 4_102_444_800_000
"""2020-01-01 and 2100-01-01: a `time` outside is another unit, not another century."""

BLOCK_KEYS = frozenset({"local_time", "block_time", "block_number", "events"})
OBLIGATORY = [
    "coin",
    "px",
    "sz",
    "side",
    "time",
    "startPosition",
    "dir",
    "closedPnl",
    "hash",
    "oid",
    "crossed",
    "fee",
    "feeToken",
    "tid",
]
OPTIONAL = ["cloid", "twapId", "builder", "builderFee", "deployerFee", "priorityGas", "liquidation"]
KNOWN_KEYS = frozenset([*OBLIGATORY, *OPTIONAL])

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_BLANK = b" \t\r"
_MAX_DEPTH = 200
# What Postgres' numeric, and so its jsonb, can hold before and behind the point.
_MAX_WHOLE_DIGITS, _MAX_DECIMALS = 131_072, 16_383
_UNSIGNED = r"[0-9]{1,26}(?:\.[0-9]{1,12})?"
_DECIMAL = f"-?{_UNSIGNED}"
# A zero may carry a minus: it is no negative number.
_NOT_NEGATIVE = rf"{_UNSIGNED}|-0{{1,26}}(?:\.0{{1,12}})?"
_ADDRESS = "0x[0-9a-fA-F]{40}"
_decimal = re.compile(_DECIMAL)
_not_negative = re.compile(_NOT_NEGATIVE)
_address = re.compile(_ADDRESS)
_unstorable = re.compile("[\0\ud800-\udfff]")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A line that is not a block of fills."""

    line_number: int
    """Counted from 1 within the object."""
    byte_offset: int
    """Where the line begins in the decompressed object."""
    reason: str
    raw: bytes
    """The line as it came, without its line feed."""


@dataclass(slots=True, kw_only=True)
class Decoded:
    """What a run of lines held: lines = blocks + rejected + blank."""

    fills: pl.DataFrame
    """Columns of `LAKE_SCHEMA`, in the order of execution."""
    rejected: list[Rejection] = field(default_factory=list)
    lines: int = 0
    blank_lines: int = 0
    empty_blocks: int = 0
    first_block: int | None = None
    last_block: int | None = None
    unknown_keys: Counter[str] = field(default_factory=Counter)


def decode_lines(lines: Sequence[bytes], *, line_number: int = 1, byte_offset: int = 0) -> Decoded:
    """Read consecutive lines of one object.

    Args:
        lines: Without their line feeds.
        line_number: Of the first line, from 1.
        byte_offset: Of the first line in the decompressed object.
    """
    try:
        return _decode_batch(lines)
    except (_Surprise, LineRejected, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _decode_singly(lines, line_number, byte_offset)


# --- the batch reader ----------------------------------------------------------------------


class _Surprise(Exception):
    """Something the batch reader does not judge."""


def _exact_number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise LineRejected(f"a number beyond any range: {text[:40]}") from None
    exponent = number.as_tuple().exponent
    if number.adjusted() >= _MAX_WHOLE_DIGITS or int(exponent) < -_MAX_DECIMALS:
        raise LineRejected(f"a number no database can hold: {text[:40]}")
    return number


def _exact_integer(text: str) -> int | Decimal:
    # Python converts no longer text; as an integer of Vigil's own it is too long anyway.
    return int(text) if len(text) <= 4_000 else _exact_number(text)


_decoder = msgspec.json.Decoder(float_hook=_exact_number)
_encoder = msgspec.json.Encoder(decimal_format="number")


def _decode_batch(lines: Sequence[bytes]) -> Decoded:
    blocks = []
    blank = 0
    for line in lines:
        if not line.strip(_BLANK):
            blank += 1
            continue
        block = _decoder.decode(line)
        if not isinstance(block, dict) or block.keys() != BLOCK_KEYS:
            raise _Surprise
        keys = 4
        events = block["events"]
        if not isinstance(events, list):
            raise _Surprise
        for event in events:
            if not isinstance(event, list) or len(event) != 2 or not isinstance(event[1], dict):
                raise _Surprise
            fill = event[1]
            keys += len(fill)
            if "liquidation" in fill and isinstance(fill["liquidation"], dict):
                keys += len(fill["liquidation"])
        # A repeated key vanishes in decoding; counting the colons finds it (and sometimes
        # a colon inside a text, which costs a second look and nothing else). It finds every
        # object inside an unknown value too, as the brackets do every list. An escape may
        # stand for a character that no database holds; one byte is sought faster than two.
        if (
            line.count(b'":') != keys
            or line.count(b"[") != 1 + len(events)
            or b" :" in line
            or b"\t" in line
            or b"\r" in line
            or b"\\" in line
        ):
            raise _Surprise
        blocks.append(block)
    return _decoded(blocks, lines=len(lines), blank_lines=blank)


def _decode_singly(lines: Sequence[bytes], line_number: int, byte_offset: int) -> Decoded:
    blocks = []
    rejected = []
    blank = 0
    for number, line in enumerate(lines, line_number):
        if not line.strip(_BLANK):
            blank += 1
        else:
            try:
                blocks.append(check_line(line))
            except LineRejected as error:
                rejected.append(
                    Rejection(
                        line_number=number, byte_offset=byte_offset, reason=str(error), raw=line
                    )
                )
        byte_offset += len(line) + 1
    decoded = _decoded(blocks, lines=len(lines), blank_lines=blank)
    decoded.rejected = rejected
    return decoded


# --- one line, exactly ---------------------------------------------------------------------


class LineRejected(Exception):
    """Why a line is no block of fills; the text names the place and what was found."""


def check_line(line: bytes) -> Json:
    """The block a line holds, proved in every field.

    Numbers that are no integers come as `Decimal`, in keys Vigil does not know as well.

    Raises:
        LineRejected: The line is not a block of fills.
    """
    try:
        block: Json = json.loads(
            line.decode("utf-8"),
            parse_int=_exact_integer,
            parse_float=_exact_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_repeats,
        )
    except UnicodeDecodeError as error:
        raise LineRejected(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise LineRejected(f"not JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise LineRejected("not JSON: nested too deeply") from None
    _check_storable(block, 1)
    _expect(isinstance(block, dict), "block", "an object", block)
    for key in sorted(BLOCK_KEYS - block.keys()):
        raise LineRejected(f"{key}: missing")
    _integer(block, "block_number", "", _INT64_MIN, _INT64_MAX)
    for key in ("local_time", "block_time"):
        _expect(isinstance(block[key], str), key, "a naive ISO time", block[key])
        try:
            milliseconds = iso_ns(block[key]) // 1_000_000
        except ValueError as error:
            raise LineRejected(f"{key}: {error}") from None
        in_range = EARLIEST_MS <= milliseconds < LATEST_MS
        _expect(in_range, key, "a time between 2020 and 2100", block[key])
    _expect(isinstance(block["events"], list), "events", "a list", block["events"])
    for index, event in enumerate(block["events"]):
        where = f"events[{index}]"
        pair = isinstance(event, list) and len(event) == 2
        _expect(pair, where, "[address, fill]", event)
        holds = isinstance(event[0], str) and _address.fullmatch(event[0])
        _expect(holds, f"{where}[0]", "0x and 40 hex digits", event[0])
        _expect(isinstance(event[1], dict), f"{where}[1]", "an object", event[1])
        _check_fill(event[1], where)
    return block


def _check_fill(fill: Json, where: str) -> None:
    for key in OBLIGATORY:
        if key not in fill:
            raise LineRejected(f"{where}.{key}: missing")
    for key in ("coin", "dir", "hash", "feeToken"):
        _expect(isinstance(fill[key], str), f"{where}.{key}", "a text", fill[key])
    for key in ("cloid", "builder"):
        value = fill.get(key)
        _expect(value is None or isinstance(value, str), f"{where}.{key}", "a text", value)
    for key in ("px", "sz"):
        _decimal_text(fill[key], _not_negative, f"{where}.{key}")
    for key in ("startPosition", "closedPnl", "fee"):
        _decimal_text(fill[key], _decimal, f"{where}.{key}")
    for key in ("builderFee", "deployerFee", "priorityGas"):
        if fill.get(key) is not None:
            _decimal_text(fill[key], _decimal, f"{where}.{key}")
    _expect(fill["side"] in ("A", "B"), f"{where}.side", "A or B", fill["side"])
    _expect(isinstance(fill["crossed"], bool), f"{where}.crossed", "a boolean", fill["crossed"])
    _integer(fill, "time", where, EARLIEST_MS, LATEST_MS - 1)
    _integer(fill, "oid", where, _INT64_MIN, _INT64_MAX)
    _integer(fill, "tid", where, _INT64_MIN, _INT64_MAX)
    if fill.get("twapId") is not None:
        _integer(fill, "twapId", where, _INT64_MIN, _INT64_MAX)
    liquidation = fill.get("liquidation")
    _expect(
        liquidation is None or isinstance(liquidation, dict),
        f"{where}.liquidation",
        "an object",
        liquidation,
    )


def _expect(holds: object, where: str, expected: str, found: object) -> None:
    if not holds:
        shown = repr(found)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise LineRejected(f"{where}: expected {expected}, found {shown}")


def _decimal_text(value: object, pattern: re.Pattern[str], where: str) -> None:
    holds = isinstance(value, str) and pattern.fullmatch(value)
    sign = "" if pattern is _decimal else "non-negative "
    _expect(holds, where, f"a {sign}decimal text with at most 26.12 digits", value)


def _integer(holder: Json, key: str, where: str, low: int, high: int) -> None:
    value = holder[key]
    holds = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    _expect(holds, f"{where}.{key}" if where else key, f"an integer in {low}..{high}", value)


def _check_storable(value: Any, depth: int) -> None:
    """Refuse what Postgres cannot hold as text, and what is too deep to be walked."""
    if isinstance(value, str):
        if _unstorable.search(value):
            raise LineRejected(f"a text that no database can hold: {ascii(value)[:60]}")
    elif isinstance(value, dict | list):
        if depth > _MAX_DEPTH:
            raise LineRejected("nested too deeply")
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_storable(item, depth + 1)


def _refuse_constant(text: str) -> None:
    raise LineRejected(f"not JSON: {text}")


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> Json:
    result = dict(pairs)
    if len(result) != len(pairs):
        repeated = next(k for k, n in Counter(k for k, _ in pairs).items() if n > 1)
        raise LineRejected(f"{repeated}: repeated in one object")
    return result


# --- columns -------------------------------------------------------------------------------


def _decoded(blocks: list[Json], *, lines: int, blank_lines: int) -> Decoded:
    """Columns of many blocks. Raises `_Surprise` at whatever `check_line` would reject."""
    users: list[Any] = []
    fills: list[Json] = []
    block_rows: list[int] = []
    indexes: list[int] = []
    for row, block in enumerate(blocks):
        events = block["events"]
        block_rows.extend([row] * len(events))
        indexes.extend(range(len(events)))
        for user, fill in events:
            users.append(user)
            fills.append(fill)
    unknown: Counter[str] = Counter()
    extra: list[str | None] = [None] * len(fills)
    for position, fill in enumerate(fills):
        if not fill.keys() <= KNOWN_KEYS:
            beyond = {key: fill[key] for key in fill if key not in KNOWN_KEYS}
            unknown.update(beyond.keys())
            extra[position] = _json_text(beyond)
    envelopes = pl.DataFrame(
        {
            "block_number": _integers([b["block_number"] for b in blocks]),
            "block_time": _nanoseconds([b["block_time"] for b in blocks]),
            "local_time": _nanoseconds([b["local_time"] for b in blocks]),
            "block_extra": _block_extras(blocks, unknown),
        }
    )
    try:
        columns = _columns(users, fills)
    except KeyError:
        raise _Surprise from None
    frame = pl.DataFrame(
        columns
        | {
            "extra": pl.Series(extra, dtype=pl.String),
            "event_index": pl.Series(indexes, dtype=pl.Int32),
        }
    )
    per_fill = envelopes[pl.Series(block_rows, dtype=pl.UInt32)]
    return Decoded(
        fills=pl.concat([frame, per_fill], how="horizontal").select(list(LAKE_SCHEMA)),
        lines=lines,
        blank_lines=blank_lines,
        empty_blocks=sum(not b["events"] for b in blocks),
        first_block=blocks[0]["block_number"] if blocks else None,
        last_block=blocks[-1]["block_number"] if blocks else None,
        unknown_keys=unknown,
    )


def _columns(users: list[Any], fills: list[Json]) -> dict[str, pl.Series]:
    times = _integers([f["time"] for f in fills])
    if not times.is_between(EARLIEST_MS, LATEST_MS, closed="left").all():
        raise _Surprise
    sides = _texts([f["side"] for f in fills])
    addresses = _texts(users)
    if not sides.is_in(["A", "B"]).all():
        raise _Surprise
    if not addresses.unique().str.contains(rf"\A{_ADDRESS}\z").all():
        raise _Surprise
    return {
        "time": times,
        "user_address": addresses.str.to_lowercase(),
        "coin": _texts([f["coin"] for f in fills]),
        "px": _money([f["px"] for f in fills], _NOT_NEGATIVE),
        "sz": _money([f["sz"] for f in fills], _NOT_NEGATIVE),
        "side": sides,
        "dir": _texts([f["dir"] for f in fills]),
        "start_position": _money([f["startPosition"] for f in fills]),
        "closed_pnl": _money([f["closedPnl"] for f in fills]),
        "fee": _money([f["fee"] for f in fills]),
        "fee_token": _texts([f["feeToken"] for f in fills]),
        "crossed": _series([f["crossed"] for f in fills], pl.Boolean()),
        "hash": _texts([f["hash"] for f in fills]),
        "oid": _integers([f["oid"] for f in fills]),
        "tid": _integers([f["tid"] for f in fills]),
        "cloid": _texts([f.get("cloid") for f in fills], optional=True),
        "twap_id": _integers([f.get("twapId") for f in fills], optional=True),
        "builder": _texts([f.get("builder") for f in fills], optional=True).str.to_lowercase(),
        "builder_fee": _money([f.get("builderFee") for f in fills], optional=True),
        "deployer_fee": _money([f.get("deployerFee") for f in fills], optional=True),
        "priority_gas": _money([f.get("priorityGas") for f in fills], optional=True),
        "liquidation": _objects([f.get("liquidation") for f in fills]),
    }


def _series(values: list[Any], dtype: pl.DataType, *, optional: bool = False) -> pl.Series:
    try:
        series = pl.Series(values, dtype=dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise _Surprise from None
    if not optional and series.null_count():
        raise _Surprise
    return series


def _texts(values: list[Any], *, optional: bool = False) -> pl.Series:
    return _series(values, pl.String(), optional=optional)


def _integers(values: list[Any], *, optional: bool = False) -> pl.Series:
    # Polars reads True as 1, and there are few distinct types in a column.
    if not {type(value) for value in values} <= {int, type(None)}:
        raise _Surprise
    return _series(values, pl.Int64(), optional=optional)


def _money(values: list[Any], pattern: str = _DECIMAL, *, optional: bool = False) -> pl.Series:
    texts = _texts(values, optional=optional)
    # \z, not $: a line feed behind the last digit is no part of a number.
    if not texts.str.contains(rf"\A(?:{pattern})\z").all():
        raise _Surprise
    return texts.cast(MONEY)


def _nanoseconds(values: list[Any]) -> pl.Series:
    try:
        series = pl.Series([iso_ns(value) for value in values], dtype=pl.Int64)
    except (ValueError, TypeError, OverflowError):
        raise _Surprise from None
    if not (series // 1_000_000).is_between(EARLIEST_MS, LATEST_MS, closed="left").all():
        raise _Surprise
    return series


def _objects(values: list[Any]) -> pl.Series:
    if not {type(value) for value in values} <= {dict, type(None)}:
        raise _Surprise
    return pl.Series([None if v is None else _json_text(v) for v in values], dtype=pl.String)


def _json_text(value: Mapping[str, Any]) -> str:
    return _encoder.encode(value).decode()


def _block_extras(blocks: list[Json], unknown: Counter[str]) -> pl.Series:
    texts: list[str | None] = []
    for block in blocks:
        beyond = {key: block[key] for key in block if key not in BLOCK_KEYS}
        unknown.update(f"block.{key}" for key in beyond)
        texts.append(_json_text(beyond) if beyond else None)
    return pl.Series(texts, dtype=pl.String)
