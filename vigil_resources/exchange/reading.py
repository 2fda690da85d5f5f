"""The exchange's answers, read strictly: what is not as documented is an error.

Numbers go from their text to `Decimal`, never through a float.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import polars as pl

from vigil_core.calendar import EARLIEST_MS, LATEST_MS
from vigil_core.fills.schema import MONEY, MONEY_SCALE
from vigil_core.storable import storable
from vigil_resources.exchange.answers import (
    FILL_ALWAYS,
    FILL_FIELDS,
    FILL_SCHEMA,
    INTERVALS_MS,
    ClearinghouseState,
    Position,
)
from vigil_resources.exchange.errors import UnexpectedAnswer, short

Row = tuple[Any, ...]
"""Values in the order of a schema; the first is the time, in ms."""

_T = TypeVar("_T")


class _Malformed(Exception):
    """What is wrong with an answer; becomes `UnexpectedAnswer`, which names the request."""


def funding_row(row: Mapping[str, Any], coin: str) -> Row:
    """Values of `FUNDING_SCHEMA`."""
    _expect(row, "coin", coin)
    premium = None if row.get("premium") is None else _money(row, "premium")
    return (_time(row, "time"), coin, _money(row, "fundingRate"), premium)


def user_funding_row(row: Mapping[str, Any]) -> Row:
    """Values of `USER_FUNDING_SCHEMA`."""
    delta = as_mapping(_get(row, "delta"))
    _expect(delta, "type", "funding")
    samples = None if delta.get("nSamples") is None else _int(delta, "nSamples")
    return (
        _time(row, "time"),
        _str(delta, "coin"),
        _money(delta, "usdc"),
        _money(delta, "szi"),
        _money(delta, "fundingRate"),
        samples,
        _str(row, "hash"),
    )


def ledger_row(row: Mapping[str, Any]) -> Row:
    """Values of a `LedgerUpdate`."""
    delta = as_mapping(_get(row, "delta"))
    return (_time(row, "time"), _str(row, "hash"), _str(delta, "type"), delta)


def candle_row(row: Mapping[str, Any], coin: str, interval: str) -> Row:
    """Values of `CANDLE_SCHEMA`, and the candle's last ms."""
    row = as_mapping(row)
    _expect(row, "s", coin)
    _expect(row, "i", interval)
    opened, last = _time(row, "t"), _time(row, "T")
    if interval != "1M" and last != opened + INTERVALS_MS[interval] - 1:
        raise _Malformed(f"a candle of {interval} from {opened} to {last}")
    prices = (_money(row, key) for key in ("o", "h", "l", "c", "v"))
    return (opened, *prices, _int(row, "n"), last)


def universe(answer: Any) -> list[Any]:
    """The perpetuals of a dex, as they came."""
    return as_list(_get(as_mapping(answer), "universe"))


def meta_row(row: Any) -> Row:
    """Values of `META_SCHEMA`."""
    row = as_mapping(row)
    return (
        _str(row, "name"),
        _int(row, "szDecimals"),
        _int(row, "maxLeverage"),
        row.get("isDelisted") is True,
        row.get("onlyIsolated") is True,
    )


def fill_row(row: Mapping[str, Any], user: str) -> Row:
    """Values of `FILL_SCHEMA`."""
    named = {FILL_FIELDS[key]: value for key, value in row.items() if key in FILL_FIELDS}
    unknown = {key: value for key, value in row.items() if key not in FILL_FIELDS}
    named |= {"user_address": user, "extra": unknown or None}
    return (_time(named, "time"), *(_fill_value(named, name) for name in list(FILL_SCHEMA)[1:]))


def slice_row(row: Any, user: str) -> Row:
    """A fill with the number of its TWAP order beside it."""
    row = as_mapping(row)
    fill = as_mapping(_get(row, "fill"))
    return fill_row({**fill, "twapId": _int(row, "twapId")}, user)


def _fill_value(row: Mapping[str, Any], name: str) -> Any:
    if row.get(name) is None:
        if name in FILL_ALWAYS:
            raise _Malformed(f"a fill without {name}: {short(row)}")
        return None
    if name in {"liquidation", "extra"}:
        return json.dumps(row[name], sort_keys=True, separators=(",", ":"))
    kind = FILL_SCHEMA[name]
    if kind == MONEY:
        return _money(row, name)
    if kind == pl.Int64:
        return _int(row, name)
    if kind == pl.Boolean:
        return _bool(row, name)
    return _str(row, name)


def clearinghouse_state(answer: Any) -> ClearinghouseState:
    """One account on one dex."""
    answer = as_mapping(answer)
    margin = as_mapping(_get(answer, "marginSummary"))
    positions = [as_mapping(one) for one in as_list(_get(answer, "assetPositions"))]
    return ClearinghouseState(
        time=_time(answer, "time") if "time" in answer else None,
        account_value=_decimal(margin, "accountValue"),
        total_notional=_decimal(margin, "totalNtlPos"),
        total_raw_usd=_decimal(margin, "totalRawUsd"),
        margin_used=_decimal(margin, "totalMarginUsed"),
        withdrawable=_decimal(answer, "withdrawable"),
        positions=tuple(_position(as_mapping(_get(one, "position"))) for one in positions),
    )


def _position(row: Mapping[str, Any]) -> Position:
    leverage = as_mapping(_get(row, "leverage"))
    funding = as_mapping(row.get("cumFunding") or {})
    return Position(
        coin=_str(row, "coin"),
        size=_decimal(row, "szi"),
        entry_price=_decimal_or_none(row, "entryPx"),
        position_value=_decimal(row, "positionValue"),
        unrealized_pnl=_decimal(row, "unrealizedPnl"),
        leverage_type=_str(leverage, "type"),
        leverage=_int(leverage, "value"),
        liquidation_price=_decimal_or_none(row, "liquidationPx"),
        margin_used=_decimal(row, "marginUsed"),
        max_leverage=_int(row, "maxLeverage") if "maxLeverage" in row else None,
        funding_all_time=_decimal_or_none(funding, "allTime"),
        funding_since_open=_decimal_or_none(funding, "sinceOpen"),
    )


def frame(rows: Any, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Rows of a schema."""
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def read(request: object, parse: Callable[[], _T]) -> _T:
    """What `parse` makes of an answer.

    Raises:
        UnexpectedAnswer: It is not as documented; names the request.
    """
    try:
        return parse()
    except _Malformed as error:
        raise UnexpectedAnswer(request, str(error)) from None


def as_json(body: bytes) -> Any:
    """The answer, floats as their text.

    Raises:
        ValueError: It is no JSON.
    """
    return json.loads(body, parse_float=str, parse_constant=_refuse)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


def as_list(value: Any) -> list[Any]:
    """The value, if it is a list."""
    if not isinstance(value, list):
        raise _Malformed(f"expected a list, found {short(value)}")
    return value


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        raise _Malformed(f"expected an object, found {short(value)}")
    return value


def _get(row: Mapping[str, Any], key: str) -> Any:
    if key not in row:
        raise _Malformed(f"{key} is missing in {short(row)}")
    return row[key]


def _expect(row: Mapping[str, Any], key: str, wanted: str) -> None:
    if _get(row, key) != wanted:
        raise _Malformed(f"{key} is {short(row[key])}, {wanted!r} was asked for")


def _str(row: Mapping[str, Any], key: str) -> str:
    value = _get(row, key)
    if not isinstance(value, str) or storable(value) != value:
        raise _Malformed(f"{key} is {short(value)}, expected a text")
    return value


def _bool(row: Mapping[str, Any], key: str) -> bool:
    value = _get(row, key)
    if not isinstance(value, bool):
        raise _Malformed(f"{key} is {short(value)}, expected true or false")
    return value


def _int(row: Mapping[str, Any], key: str) -> int:
    value = _get(row, key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise _Malformed(f"{key} is {short(value)}, expected a count")
    return value


def _time(row: Mapping[str, Any], key: str) -> int:
    value = _int(row, key)
    if not EARLIEST_MS <= value < LATEST_MS:
        raise _Malformed(f"{key} is {value}, which is no time in ms")
    return value


def _decimal(row: Mapping[str, Any], key: str) -> Decimal:
    value = _get(row, key)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _Malformed(f"{key} is {short(value)}, expected a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _Malformed(f"{key} is {short(value)}, expected a number") from None
    if not number.is_finite():
        raise _Malformed(f"{key} is {short(value)}, expected a number")
    return number


def _decimal_or_none(row: Mapping[str, Any], key: str) -> Decimal | None:
    return None if row.get(key) is None else _decimal(row, key)


def _money(row: Mapping[str, Any], key: str) -> Decimal:
    """A number that a frame's column holds exactly; Polars would round a longer one silently."""
    number = _decimal(row, key)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    cut = digits[exponent + MONEY_SCALE :] if exponent < -MONEY_SCALE else ()
    if any(cut) or number.adjusted() >= 38 - MONEY_SCALE:
        raise _Malformed(
            f"{key} is {short(row[key])}, more than {MONEY_SCALE} decimals or too large"
        )
    return number
