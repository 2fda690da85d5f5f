"""Reads lines of Artemis' balances one by one, with the standard library alone.

Of a key that is repeated the last one counts. What unknown keys hold is no matter, as long as it
is JSON.
"""

import json
from decimal import Decimal
from typing import Any, NamedTuple

from .slow_reader import (
    HEX_DIGITS,
    RejectedLineError,
    decimal,
    exact_decimal,
    exact_integer,
    milliseconds,
    nanoseconds,
    no_constant,
    parse_json,
)

NO_RECORD = "metadata, or without positions"


class SlowPosition(NamedTuple):
    """A position of a record."""

    coin: str
    szi: Decimal
    position_value: Decimal
    liquidation_px: Decimal | None
    entry_px: Decimal | None
    margin_used: Decimal | None
    leverage: int | None
    max_leverage: int | None


class SlowRecord(NamedTuple):
    """An account at one instant."""

    address: str
    recorded_at: int | None
    totals: list[Decimal | None]
    positions: list[SlowPosition]


def read_balances_line(line: bytes) -> SlowRecord | str:
    """One line that is not blank: a record, or `NO_RECORD`. Raises `RejectedLineError`."""
    try:
        value = json.loads(
            line.decode("utf-8"),
            parse_int=exact_integer,
            parse_float=exact_decimal,
            parse_constant=no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise RejectedLineError(f"not JSON: {error}") from error
    if type(value) is not dict:
        raise RejectedLineError("the line is no object")
    if _has_half_a_pair(value):
        raise RejectedLineError("half a surrogate pair")
    if value.get("_metadata") is True:
        return NO_RECORD
    nested = _object(_object(value.get("response")).get("perpetual"))
    checked = [_entries(nested), _entries(value)]
    for state in (nested, value):
        _object(state.get("marginSummary"))
    listed = next((entries for entries in checked if entries is not None), None)
    if listed is None:
        return NO_RECORD
    margin = _object((nested if checked[0] is not None else value).get("marginSummary"))
    address = value.get("address")
    address = value.get("user") if address is None else address
    if type(address) is not str or len(address) != 42 or address[:2].lower() != "0x":
        raise RejectedLineError("no address")
    if any(c not in HEX_DIGITS for c in address[2:]):
        raise RejectedLineError("no address")
    names = ("accountValue", "totalNtlPos", "totalMarginUsed", "totalRawUsd")
    held = [p for p in map(_position, listed) if p.szi]
    if len({p.coin for p in held}) < len(held):
        raise RejectedLineError("a coin twice")
    return SlowRecord(
        address=address.lower(),
        recorded_at=_time(value.get("timestamp")),
        totals=[_optional(margin.get(name)) for name in names],
        positions=held,
    )


def _has_half_a_pair(value: Any) -> bool:
    left = [value]
    while left:
        item = left.pop()
        if type(item) is str and any("\ud800" <= c <= "\udfff" for c in item):
            return True
        if type(item) is dict:
            left += [*item, *item.values()]
        elif type(item) is list:
            left += item
    return False


def has_repeats(line: bytes) -> bool:
    """Whether some object of a line has a key twice."""
    try:
        parse_json(line)
    except RejectedLineError as refusal:
        return "duplicate key" in str(refusal)
    return False


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise RejectedLineError("no object")
    return value


def _entries(state: dict[str, Any]) -> list[dict[str, Any]] | None:
    listed = state.get("assetPositions")
    if listed is None:
        return None
    if type(listed) is not list:
        raise RejectedLineError("no list of positions")
    positions = []
    for entry in listed:
        position = entry.get("position") if type(entry) is dict else None
        if type(position) is not dict or type(position.get("coin")) is not str:
            raise RejectedLineError("no position")
        if not position.keys() >= {"szi", "positionValue"}:
            raise RejectedLineError("no whole position")
        positions.append(position)
    return positions


def _position(given: dict[str, Any]) -> SlowPosition:
    coin, leverage = given["coin"], given.get("leverage")
    if not 1 <= len(coin) <= 64 or any(c <= " " or c == "\x7f" for c in coin):
        raise RejectedLineError("no coin")
    return SlowPosition(
        coin=coin,
        szi=_figure(given["szi"]),
        position_value=_figure(given["positionValue"]),
        liquidation_px=_optional(given.get("liquidationPx")),
        entry_px=_optional(given.get("entryPx")),
        margin_used=_optional(given.get("marginUsed")),
        leverage=_whole(leverage.get("value") if type(leverage) is dict else leverage),
        max_leverage=_whole(given.get("maxLeverage")),
    )


def _optional(value: Any) -> Decimal | None:
    return None if value is None else _figure(value)


def _figure(value: Any) -> Decimal:
    """A text of a decimal, or a number that is one when it is written out."""
    if type(value) is int or type(value) is Decimal:
        value = Decimal(value)
        if not -99 < value.adjusted() < 99:
            raise RejectedLineError("out of range")
        value = format(value, "f")
    return decimal(value, "figure")


def _whole(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 2**31:
        raise RejectedLineError("no whole number")
    return value


def _time(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is str:
        return nanoseconds(value.removesuffix("Z"), "timestamp") // 1_000_000
    return milliseconds(value, "timestamp")
