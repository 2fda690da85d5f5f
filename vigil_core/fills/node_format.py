"""Lines of the node's three formats, one at a time, slowly and exactly.

    node_fills_by_block   {"local_time", "block_time", "block_number", "events": [[user, fill]…]}
    node_fills            [user, fill]
    node_trades           {"coin", "side", "time", …, "side_info": [buyer, seller]}

`check_block`, `check_event` and `check_trade` say what a line is, or why it is none; a line is
taken whole or not at all. `kernel` reads most lines of the first two formats in their place, and
may accept nothing that these would not.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import polars as pl

from vigil_core.calendar import EARLIEST_MS, LATEST_MS, iso_ns
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY
from vigil_core.rejections import Rejection

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
TRADE_KEYS = frozenset({"coin", "side", "time", "px", "sz", "hash", "side_info"})
PARTY_KEYS = frozenset({"user", "start_pos", "oid", "twap_id", "cloid"})

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


class LineRejected(Exception):
    """Why a line is none of its format; the text names the place and what was found."""


@dataclass(slots=True, kw_only=True)
class Line:
    """What one line holds."""

    rows: list[Json]
    """By column of `LAKE_SCHEMA`, decimals as text; a column that is not there is NULL."""
    unknown_keys: list[str] = field(default_factory=list)
    block: tuple[int, int] | None = None
    """Its number, and its ms."""


@dataclass(slots=True, kw_only=True)
class Decoded:
    """What a run of lines held: lines = taken + rejected + blank."""

    fills: pl.DataFrame
    """Columns of `LAKE_SCHEMA`, in the order of execution."""
    line_rows: list[int] = field(default_factory=list)
    """Rows of each line that has some."""
    rejected: list[Rejection] = field(default_factory=list)
    lines: int = 0
    blank_lines: int = 0
    empty_blocks: int = 0
    blocks: list[tuple[int, int]] = field(default_factory=list)
    unknown_keys: Counter[str] = field(default_factory=Counter)


LineCheck = Callable[[bytes, int], Line]
"""A line and its number from 1 → what it holds; raises `LineRejected`."""


def decode_lines(
    lines: Sequence[bytes], check: LineCheck, *, line_number: int = 1, byte_offset: int = 0
) -> Decoded:
    """Read consecutive lines of one object.

    Args:
        lines: Without their line feeds.
        check: Of the object's format.
        line_number: Of the first line, from 1.
        byte_offset: Of the first line in the decompressed object.
    """
    decoded = Decoded(fills=pl.DataFrame(schema=LAKE_SCHEMA), lines=len(lines))
    rows: list[Json] = []
    for number, text in enumerate(lines, line_number):
        if not text.strip(_BLANK):
            decoded.blank_lines += 1
        else:
            try:
                line = check(text, number)
            except LineRejected as error:
                rejection = Rejection(
                    line_number=number, byte_offset=byte_offset, reason=str(error), raw=text
                )
                decoded.rejected.append(rejection)
            else:
                rows.extend(line.rows)
                decoded.unknown_keys.update(line.unknown_keys)
                if line.rows:
                    decoded.line_rows.append(len(line.rows))
                else:
                    decoded.empty_blocks += 1
                if line.block is not None:
                    decoded.blocks.append(line.block)
        byte_offset += len(text) + 1
    if rows:
        decoded.fills = _frame(rows)
    return decoded


def _frame(rows: list[Json]) -> pl.DataFrame:
    columns = {}
    for name, dtype in LAKE_SCHEMA.items():
        values = [row.get(name) for row in rows]
        # Decimals from their text: exact, and never through a float.
        given = pl.String() if dtype == MONEY else dtype
        columns[name] = pl.Series(name, values, dtype=given, strict=True).cast(dtype)
    return pl.DataFrame(columns)


# --- the three formats ---------------------------------------------------------------------


def check_block(text: bytes, _number: int = 1) -> Line:
    """A line of `node_fills_by_block`.

    Raises:
        LineRejected: It is no block of fills.
    """
    block = _object(text, "block")
    for key in sorted(BLOCK_KEYS - block.keys()):
        raise LineRejected(f"{key}: missing")
    number = _integer(block, "block_number", "", _INT64_MIN, _INT64_MAX)
    block_time = _nanoseconds(block, "block_time")
    local_time = _nanoseconds(block, "local_time")
    _expect(isinstance(block["events"], list), "events", "a list", block["events"])
    beyond = {key: block[key] for key in block if key not in BLOCK_KEYS}
    line = Line(rows=[], block=(number, block_time // 1_000_000))
    line.unknown_keys += [f"block.{key}" for key in beyond]
    envelope = {
        "block_number": number,
        "block_time": block_time,
        "local_time": local_time,
        "block_extra": _json_text(beyond) if beyond else None,
    }
    for index, event in enumerate(block["events"]):
        row, unknown = _event(event, f"events[{index}]")
        line.rows.append(row | envelope | {"event_index": index})
        line.unknown_keys += unknown
    return line


def check_event(text: bytes, number: int) -> Line:
    """A line of `node_fills`; its place in the object stands for the order of execution.

    Raises:
        LineRejected: It is no address and fill.
    """
    row, unknown = _event(_json(text), "event")
    return Line(rows=[row | {"event_index": number - 1}], unknown_keys=unknown)


def check_trade(text: bytes, number: int) -> Line:
    """A line of `node_trades`: one row for its buyer, one for its seller.

    `side` is the taker's. What the format does not say (PnL, fee, `tid`, `dir`) is NULL; its
    `time`, which has nanoseconds, is kept as `block_time` too.

    Raises:
        LineRejected: It is no trade with two parties.
    """
    trade = _object(text, "trade")
    for key in sorted(TRADE_KEYS - trade.keys()):
        raise LineRejected(f"{key}: missing")
    for key in ("coin", "hash"):
        _expect(isinstance(trade[key], str), key, "a text", trade[key])
    for key in ("px", "sz"):
        _decimal_text(trade[key], _not_negative, key)
    _expect(trade["side"] in ("A", "B"), "side", "A or B", trade["side"])
    when = _nanoseconds(trade, "time")
    parties = trade["side_info"]
    pair = isinstance(parties, list) and len(parties) == 2
    _expect(pair, "side_info", "[buyer, seller]", parties)
    beyond = {key: trade[key] for key in trade if key not in TRADE_KEYS}
    line = Line(rows=[], unknown_keys=[key for key in beyond if key != "trade_dir_override"])
    for place, (side, party) in enumerate(zip("BA", parties, strict=True)):
        row, own = _party(party, f"side_info[{place}]")
        line.unknown_keys += own
        extra = beyond | own
        line.rows.append(
            row
            | {
                "time": when // 1_000_000,
                "block_time": when,
                "coin": trade["coin"],
                "px": trade["px"],
                "sz": trade["sz"],
                "side": side,
                "crossed": side == trade["side"],
                "hash": trade["hash"],
                "extra": _json_text(extra) if extra else None,
                "event_index": 2 * (number - 1) + place,
            }
        )
    return line


def fill_columns(user: str, text: bytes) -> Json:
    """Columns of a fill that stands alone, as the exchange's stream sends it: the same record.

    Raises:
        LineRejected: It is no fill.
    """
    return _event([user, _json(text)], "fill")[0]


def trade_columns(text: bytes) -> Json:
    """Columns of `live_trades`, of a trade as the exchange's stream sends it; `side` the taker's.

    Raises:
        LineRejected: It is no trade between two parties.
    """
    trade = _object(text, "trade")
    for key in ("coin", "side", "px", "sz", "time", "hash", "tid", "users"):
        if key not in trade:
            raise LineRejected(f"trade.{key}: missing")
    for key in ("coin", "hash"):
        _expect(isinstance(trade[key], str), f"trade.{key}", "a text", trade[key])
    for key in ("px", "sz"):
        _decimal_text(trade[key], _not_negative, f"trade.{key}")
    _expect(trade["side"] in ("A", "B"), "trade.side", "A or B", trade["side"])
    users = trade["users"]
    pair = isinstance(users, list) and len(users) == 2
    _expect(pair, "trade.users", "[buyer, seller]", users)
    for place, user in enumerate(users):
        _address_text(user, f"trade.users[{place}]")
    return {
        "time": _integer(trade, "time", "trade", EARLIEST_MS, LATEST_MS - 1),
        "tid": _integer(trade, "tid", "trade", _INT64_MIN, _INT64_MAX),
        "coin": trade["coin"],
        "side": trade["side"],
        "px": trade["px"],
        "sz": trade["sz"],
        "hash": trade["hash"],
        "buyer": users[0].lower(),
        "seller": users[1].lower(),
    }


def _party(party: Any, where: str) -> tuple[Json, Json]:
    """Columns of one side of a trade, and its keys that Vigil does not know."""
    _expect(isinstance(party, dict), where, "an object", party)
    for key in ("user", "start_pos", "oid"):
        if key not in party:
            raise LineRejected(f"{where}.{key}: missing")
    _address_text(party["user"], f"{where}.user")
    _decimal_text(party["start_pos"], _decimal, f"{where}.start_pos")
    cloid = party.get("cloid")
    _expect(cloid is None or isinstance(cloid, str), f"{where}.cloid", "a text", cloid)
    row = {
        "user_address": party["user"].lower(),
        "start_position": party["start_pos"],
        "oid": _integer(party, "oid", where, _INT64_MIN, _INT64_MAX),
        "twap_id": _optional_integer(party, "twap_id", where),
        "cloid": cloid,
    }
    return row, {key: party[key] for key in party if key not in PARTY_KEYS}


def _event(event: Any, where: str) -> tuple[Json, list[str]]:
    """Columns of `[address, fill]`, and the fill's keys that Vigil does not know."""
    pair = isinstance(event, list) and len(event) == 2
    _expect(pair, where, "[address, fill]", event)
    _address_text(event[0], f"{where}[0]")
    _expect(isinstance(event[1], dict), f"{where}[1]", "an object", event[1])
    fill = event[1]
    _check_fill(fill, where)
    beyond = {key: fill[key] for key in fill if key not in KNOWN_KEYS}
    builder = fill.get("builder")
    liquidation = fill.get("liquidation")
    row = {
        "time": fill["time"],
        "user_address": event[0].lower(),
        "coin": fill["coin"],
        "px": fill["px"],
        "sz": fill["sz"],
        "side": fill["side"],
        "dir": fill["dir"],
        "start_position": fill["startPosition"],
        "closed_pnl": fill["closedPnl"],
        "fee": fill["fee"],
        "fee_token": fill["feeToken"],
        "crossed": fill["crossed"],
        "hash": fill["hash"],
        "oid": fill["oid"],
        "tid": fill["tid"],
        "cloid": fill.get("cloid"),
        "twap_id": fill.get("twapId"),
        "builder": None if builder is None else builder.lower(),
        "builder_fee": fill.get("builderFee"),
        "deployer_fee": fill.get("deployerFee"),
        "priority_gas": fill.get("priorityGas"),
        "liquidation": None if liquidation is None else _json_text(liquidation),
        "extra": _json_text(beyond) if beyond else None,
    }
    return row, list(beyond)


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
    _optional_integer(fill, "twapId", where)
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


def _integer(holder: Json, key: str, where: str, low: int, high: int) -> int:
    value = holder[key]
    holds = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    _expect(holds, f"{where}.{key}" if where else key, f"an integer in {low}..{high}", value)
    return int(value)


def _optional_integer(holder: Json, key: str, where: str) -> int | None:
    if holder.get(key) is None:
        return None
    return _integer(holder, key, where, _INT64_MIN, _INT64_MAX)


def _address_text(value: object, where: str) -> None:
    holds = isinstance(value, str) and _address.fullmatch(value)
    _expect(holds, where, "0x and 40 hex digits", value)


def _nanoseconds(holder: Json, key: str) -> int:
    _expect(isinstance(holder[key], str), key, "a naive ISO time", holder[key])
    try:
        value = iso_ns(holder[key])
    except ValueError as error:
        raise LineRejected(f"{key}: {error}") from None
    in_range = EARLIEST_MS <= value // 1_000_000 < LATEST_MS
    _expect(in_range, key, "a time between 2020 and 2100", holder[key])
    return value


# --- JSON ----------------------------------------------------------------------------------


def _object(text: bytes, name: str) -> Json:
    value = _json(text)
    _expect(isinstance(value, dict), name, "an object", value)
    return dict(value)


def _json(text: bytes) -> Any:
    """Numbers that are no integers come as `Decimal`, in keys Vigil does not know as well."""
    try:
        value = json.loads(
            text.decode("utf-8"),
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
    _check_storable(value, 1)
    return value


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
        raise LineRejected(f"{ascii(repeated)[1:-1][:60]}: repeated in one object")
    return result


_encoder = msgspec.json.Encoder(decimal_format="number")


def _json_text(value: Mapping[str, Any]) -> str:
    return _encoder.encode(value).decode()
