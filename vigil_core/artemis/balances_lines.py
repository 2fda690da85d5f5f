"""One line of balances, read carefully: what it says, or why it is rejected.

Two layouts are read: the one the files have (`response.perpetual.assetPositions`), and the one
once documented (`assetPositions` at the top). Figures stay the texts they are, and are held to be
decimals without a float in between; a line that cannot be read so is rejected whole.
"""

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

import msgspec

from vigil_core.calendar import EARLIEST_MS, LATEST_MS, iso_ns
from vigil_core.fills.schema import MONEY_SCALE

MOST_WHOLE = 2**31
"""Leverages are below."""

_address = re.compile(r"0x[0-9a-f]{40}")
_coin = re.compile(r"[^\x00-\x20\x7f]{1,64}")
_figure = re.compile(rf"-?[0-9]{{1,{38 - MONEY_SCALE}}}(?:\.[0-9]{{1,{MONEY_SCALE}}})?")


class LineRejected(Exception):
    """Why a line is no record."""


class ImpossibleTime(LineRejected):
    """Its time is none, or not of this century."""


class NoRecord(Enum):
    """What a line is that is neither a record nor rejected."""

    METADATA = "metadata"
    WITHOUT_POSITIONS = "without positions"
    """Without a list of positions, that is; an empty list is an account that holds none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Figures as texts of decimals that `MONEY` holds to the last digit; None is none."""

    coin: str
    szi: str
    """Not 0."""
    position_value: str
    liquidation_px: str | None
    entry_px: str | None
    margin_used: str | None
    leverage: int | None
    max_leverage: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An account at one instant."""

    address: str
    """In lower case."""
    recorded_at: int | None
    """ms UTC."""
    time_encoding: str
    """`iso`, `ms` or `none`."""
    is_real: bool
    """Its layout is the one that the files have."""
    totals: list[str | None]
    """Value, notional, margin and raw USD, as figures of a position."""
    positions: list[Position]
    """At most one of each coin."""


class _Held(msgspec.Struct):
    coin: str
    szi: Any
    positionValue: Any  # noqa: N815
    liquidationPx: Any = None  # noqa: N815
    entryPx: Any = None  # noqa: N815
    marginUsed: Any = None  # noqa: N815
    leverage: Any = None
    maxLeverage: Any = None  # noqa: N815


class _Entry(msgspec.Struct):
    position: _Held


class _Margin(msgspec.Struct):
    accountValue: Any = None  # noqa: N815
    totalNtlPos: Any = None  # noqa: N815
    totalMarginUsed: Any = None  # noqa: N815
    totalRawUsd: Any = None  # noqa: N815


class _State(msgspec.Struct):
    assetPositions: list[_Entry] | None = None  # noqa: N815
    marginSummary: _Margin | None = None  # noqa: N815


class _Response(msgspec.Struct):
    perpetual: _State | None = None


class _Line(_State, rename={"metadata": "_metadata"}):
    metadata: Any = None
    address: Any = None
    user: Any = None
    timestamp: Any = None
    response: _Response | None = None


class _MetadataOnly(msgspec.Struct, rename={"metadata": "_metadata"}):
    metadata: Any = None


_records = msgspec.json.Decoder(_Line, float_hook=Decimal)
_metadata = msgspec.json.Decoder(_MetadataOnly)

_TOTALS = ("accountValue", "totalNtlPos", "totalMarginUsed", "totalRawUsd")


def checked(line: bytes) -> Record | NoRecord:
    """Read a line that is not blank.

    Raises:
        LineRejected: It is not what it should be; what is wrong with it, in a line.
        ImpossibleTime: Its time is.
    """
    decoded = _decoded(line)
    if decoded.metadata is True:
        return NoRecord.METADATA
    nested = decoded.response.perpetual if decoded.response else None
    is_real = nested is not None and nested.assetPositions is not None
    state = nested if nested is not None and is_real else decoded
    if state.assetPositions is None:
        return NoRecord.WITHOUT_POSITIONS
    address = _checked_address(decoded)
    time, encoding = _checked_time(decoded.timestamp)
    held = _checked_positions(state.assetPositions)
    margin = state.marginSummary or _Margin()
    return Record(
        address=address,
        recorded_at=time,
        time_encoding=encoding,
        is_real=is_real,
        totals=[_optional(getattr(margin, name), name) for name in _TOTALS],
        positions=held,
    )


def _decoded(line: bytes) -> _Line:
    try:
        return _records.decode(line)
    except (msgspec.MsgspecError, InvalidOperation, ValueError, RecursionError) as error:
        if _is_metadata(line):
            return _Line(metadata=True)
        raise LineRejected(f"not a record: {error}") from None


def _is_metadata(line: bytes) -> bool:
    try:
        return _metadata.decode(line).metadata is True
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def _checked_address(record: _Line) -> str:
    given = record.address if record.address is not None else record.user
    address = given.lower() if isinstance(given, str) else ""
    if not _address.fullmatch(address):
        raise LineRejected(f"address: expected 0x and 40 hexadecimal digits, found {given!a:.60}")
    return address


def _checked_time(given: object) -> tuple[int | None, str]:
    if given is None:
        return None, "none"
    if isinstance(given, str):
        try:
            # Without an offset UTC is meant, with this one it is said.
            time, encoding = iso_ns(given.removesuffix("Z")) // 1_000_000, "iso"
        except ValueError:
            time, encoding = -1, "iso"
    else:
        is_whole = isinstance(given, int) and not isinstance(given, bool)
        time, encoding = int(given) if is_whole else -1, "ms"  # type: ignore[call-overload]
    if not EARLIEST_MS <= time < LATEST_MS:
        raise ImpossibleTime(f"timestamp: expected naive ISO or ms, found {given!a:.60}")
    return time, encoding


def _checked_positions(entries: list[_Entry]) -> list[Position]:
    listed = [_checked_position(entry.position) for entry in entries]
    # What is listed with size 0 was closed.
    held = [position for position in listed if position.szi.strip("-0.")]
    coins = Counter(position.coin for position in held)
    twice = [coin for coin, count in coins.items() if count > 1]
    if twice:
        raise LineRejected(f"coin: more than one position in {twice[0]!a}")
    return held


def _checked_position(held: _Held) -> Position:
    if not _coin.fullmatch(held.coin):
        raise LineRejected(f"coin: expected 1 to 64 visible characters, found {held.coin!a:.60}")
    leverage = held.leverage.get("value") if isinstance(held.leverage, dict) else held.leverage
    return Position(
        coin=held.coin,
        szi=_text(held.szi, "szi"),
        position_value=_text(held.positionValue, "positionValue"),
        liquidation_px=_optional(held.liquidationPx, "liquidationPx"),
        entry_px=_optional(held.entryPx, "entryPx"),
        margin_used=_optional(held.marginUsed, "marginUsed"),
        leverage=_whole(leverage, "leverage"),
        max_leverage=_whole(held.maxLeverage, "maxLeverage"),
    )


def _optional(value: object, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _text(value: object, where: str) -> str:
    """A figure as the text of a decimal that `MONEY` holds to the last digit."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = ""
    elif isinstance(value, int):
        text = str(value) if abs(value) < 10**38 else ""
    elif isinstance(value, Decimal) and value.is_finite() and -99 < value.adjusted() < 38:
        text = format(value, "f")
    else:
        text = ""
    if not _figure.fullmatch(text):
        expected = f"a decimal with at most {38 - MONEY_SCALE}.{MONEY_SCALE} digits"
        raise LineRejected(f"{where}: expected {expected}, found {value!a:.60}")
    return text


def _whole(value: object, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_WHOLE:
        return value
    raise LineRejected(f"{where}: expected a whole number, found {value!a:.60}")
