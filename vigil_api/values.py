"""How values look in bodies: money as text, ratios as numbers, times as RFC 3339 in UTC with ms."""

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    FiniteFloat,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from vigil_core.desk.parameters import Bound

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MONTH_AND_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP = "20(?:[02468][048]|[13579][26])-02-29"
_DATE = f"(?:20[0-9]{{2}}-{_MONTH_AND_DAY}|{_LEAP})"
DAY_PATTERN = f"^{_DATE}$"
TIME_PATTERN = (
    f"^{_DATE}"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,3})?Z$"
)
"""A moment from 2000 to 2099 in UTC, and nothing that is no moment."""

ADDRESS_PATTERN = "^0x[0-9a-fA-F]{40}$"
COIN_PATTERN = "^[!-~]{1,40}$"
LINE_PATTERN = "^[^\\u0000-\\u001f\\u007f]+$"
TEXT_PATTERN = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$"
AMOUNT_PATTERN = r"^(?:[1-9][0-9]{0,14}(?:\.[0-9]{1,12})?|0\.0{0,11}[1-9][0-9]{0,11})$"
"""A positive decimal that the warehouse's columns hold exactly."""


def rfc3339(ms: int) -> str:
    """Milliseconds since the epoch as text."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def to_ms(text: str) -> int:
    """The other way."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def plain(value: Decimal) -> str:
    """All digits, no exponent."""
    return format(value, "f")


def exact(value: Any) -> Any:
    """JSON with its decimals as text, to the last digit."""
    match value:
        case Decimal():
            return plain(value)
        case dict():
            return {name: exact(part) for name, part in value.items()}
        case list() | tuple():
            return [exact(part) for part in value]
    return value


def _time_in(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(TIME_PATTERN, value):
        return to_ms(value)
    raise ValueError("expected a moment such as 2026-01-31T12:00:00.000Z")


def _day_in(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(DAY_PATTERN, value):
        return date.fromisoformat(value)
    raise ValueError("expected a day such as 2026-01-31")


def _whole_in(value: Any) -> Any:
    """To JSON Schema 7.0 is a whole number as well."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _trader_in(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(ADDRESS_PATTERN, value):
        return value.lower()
    number = _whole_in(value)
    if type(number) is int and 1 <= number < 10**15:
        return number
    raise ValueError("expected a trader's id or address")


def _number_in(value: Any) -> Decimal:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Asked of a whole number of 400 digits, isfinite would raise.
    if is_number and (isinstance(value, int) or math.isfinite(value)):
        return Decimal(str(value))
    raise ValueError("expected a number")


def _amount_in(value: Any) -> Decimal:
    if isinstance(value, str) and re.fullmatch(AMOUNT_PATTERN, value):
        return Decimal(value)
    raise ValueError("expected a positive decimal as text")


Time = Annotated[
    int,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
TimeIn = Annotated[
    int,
    BeforeValidator(_time_in),
    WithJsonSchema({"type": "string", "pattern": TIME_PATTERN}),
]
Money = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}),
]
"""USD, prices and sizes, to the last digit."""
AmountIn = Annotated[
    Decimal,
    BeforeValidator(_amount_in),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN}),
]
Day = Annotated[
    int,
    PlainSerializer(lambda ms: rfc3339(ms)[:10], return_type=str),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A UTC day, of its first millisecond."""
DayIn = Annotated[
    date,
    BeforeValidator(_day_in),
    WithJsonSchema({"type": "string", "pattern": DAY_PATTERN}),
]
Trader = Annotated[
    int | str,
    BeforeValidator(_trader_in),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 10**15 - 1},
                {"type": "string", "pattern": ADDRESS_PATTERN},
            ]
        }
    ),
]
"""An id, or an address."""
Ratio = FiniteFloat
Share = Annotated[
    Decimal,
    BeforeValidator(_number_in),
    Field(gt=0, le=1),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]
Probability = Annotated[
    Decimal,
    BeforeValidator(_number_in),
    Field(ge=0, le=1),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
Basis = Annotated[
    Decimal,
    BeforeValidator(_number_in),
    Field(ge=0, le=100),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
"""Basis points."""
Seconds = Annotated[
    Decimal,
    BeforeValidator(_number_in),
    Field(ge=1, le=86400),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": 86400}),
]
Lag = Annotated[
    Decimal,
    BeforeValidator(_number_in),
    Field(ge=0, le=86400),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 86400}),
]
Word = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_]{1,40}$")]
Leverage = Annotated[
    Decimal,
    BeforeValidator(_number_in),
    Field(ge=0, le=1000),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1000}),
]
Address = Annotated[str, StringConstraints(pattern=ADDRESS_PATTERN, to_lower=True)]
Coin = Annotated[str, StringConstraints(pattern=COIN_PATTERN)]
Line = Annotated[str, StringConstraints(pattern=LINE_PATTERN, min_length=1, max_length=80)]
Text = Annotated[str, StringConstraints(pattern=TEXT_PATTERN, max_length=2000)]


def bounded(bound: Bound, *, whole: bool) -> Any:
    """The type of a setting within its bounds: money, a whole number, or a ratio."""
    if bound.unit == "USD":
        pattern = money_pattern(bound)
        return Annotated[
            Decimal,
            BeforeValidator(_money_reader(pattern)),
            WithJsonSchema({"type": "string", "pattern": pattern, "description": _about(bound)}),
        ]
    if whole:
        limits = Field(ge=int(bound.least), le=int(bound.most), description=_about(bound))
        return Annotated[int, limits, BeforeValidator(_whole_in)]
    schema = {
        "type": "number",
        "minimum": float(bound.least),
        "maximum": float(bound.most),
        "description": _about(bound),
    }
    limits = Field(ge=bound.least, le=bound.most)
    return Annotated[Decimal, BeforeValidator(_number_in), limits, WithJsonSchema(schema)]


def money_pattern(bound: Bound) -> str:
    """A pattern that says the bounds of money too: they are powers of ten.

    Raises:
        ValueError: They are not.
    """
    least, most = (power_of_ten(value) for value in (bound.least, bound.most))
    cents = r"(?:\.[0-9]{1,2})?"
    return f"^(?:[1-9][0-9]{{{least},{most - 1}}}{cents}|1[0]{{{most}}}(?:\\.0{{1,2}})?)$"


def power_of_ten(value: Decimal) -> int:
    """Raises `ValueError` where it is none, of 1 or more."""
    power = value.adjusted()
    if power < 0 or value != Decimal(10) ** power:
        raise ValueError(f"{value} is no power of ten: its pattern has to be thought of anew")
    return power


def _money_reader(pattern: str) -> Any:
    def read(value: Any) -> Decimal:
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return Decimal(value)
        raise ValueError("expected a decimal as text, within the bounds, to the cent at most")

    return read


def _about(bound: Bound) -> str:
    unit = f" ({bound.unit})" if bound.unit else ""
    return f"{bound.label}{unit}. {bound.help}"
