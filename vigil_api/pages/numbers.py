"""How figures read on a page: one place for digits, signs, units and what is not defined.

Everything gives markup that is safe to print. A figure that is not defined is a dash which says
why, to the eye when pointed at and to a screen reader always.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

REASONS = {
    "no_data": "nothing to compute it from",
    "too_few_observations": "fewer days than it takes",
    "too_few_fills": "fewer fills than it takes",
    "too_few_trades": "fewer closed trades than it takes",
    "zero_variance": "every day is the same",
    "no_downside": "no losing day",
    "no_drawdown": "never below a peak",
    "no_recovered_drawdown": "no fall was recovered",
    "no_losses": "no losing trade",
    "no_capital_base": "no exposure to relate it to",
    "non_positive_equity": "equity was not positive",
    "unpriced_component": "a fee has no price in USD",
    "insufficient_coverage": "source data are missing",
    "insufficient_components": "too few components are known",
    "zero_denominator": "nothing to divide by",
    "single_token": "one coin only",
    "not_reachable": "the price cannot get there",
    "not_applicable": "does not apply here",
    "not_available_from_fills": "fills do not tell it",
    "unknown": "not known",
}
"""Reason codes of the metrics in words."""

MINUS, THIN = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"

_ONE_TO_NINE = frozenset("123456789")

_STEPS = tuple(
    # 999,999.6 would round to a million of dollars.
    (10**power - Decimal("0.5"), Decimal(10) ** power, letter)
    for power, letter in ((12, "T"), (9, "B"), (6, "M"))
)
"""From where on a letter stands for how much."""


def undefined(reason: str | None) -> Markup:
    """A dash that says why."""
    said = escape(REASONS.get(reason or "unknown", (reason or "not known").replace("_", " ")))
    return Markup(  # nosec B704 # escaped above
        f'<abbr class="na" title="{said}"><span aria-hidden="true">–</span>'
        f'<span class="vh">not defined: {said}</span></abbr>'
    )


def money(value: Any, reason: str | None = None, *, signed: bool = False) -> Markup:
    """USD: cents below a thousand, whole dollars below a million, three digits beyond."""
    if value is None:
        return undefined(reason)
    amount = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    return _figure(_short(abs(amount)), amount, f"{amount:,.2f} USD", signed)


def count(value: Any) -> Markup:
    """A whole number."""
    return undefined(None) if value is None else Markup(f"{int(value):,}")  # nosec B704 # digits


def quantity(value: Any) -> Markup:
    """A size or price: six significant digits, nothing lost in the title."""
    if value is None:
        return undefined(None)
    exact = f"{Decimal(value).normalize():f}"
    size = abs(Decimal(value))
    short = _short(size) if size >= 1_000_000 else f"{float(size):,.6g}"
    short = f"{MINUS if value < 0 else ''}{short}"
    return Markup(f'<span title="{exact}">{short}</span>')  # nosec B704 # digits


def ratio(
    value: Any, reason: str | None = None, *, digits: int = 2, signed: bool = False
) -> Markup:
    """A plain number, such as a Sharpe ratio."""
    if value is None:
        return undefined(reason)
    return _figure(f"{abs(value):,.{digits}f}", value, f"{value:,.6g}", signed)


def plain(value: Any, reason: str | None = None) -> Markup:
    """A number of any kind, such as an input of a rule: as many digits as tell it apart."""
    if value is None:
        return undefined(reason)
    size = abs(float(value))
    text = f"{size:,.0f}" if size >= 1_000 else f"{size:.4g}" if size >= 1 else f"{size:.4f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return _figure(text, value, f"{value:,.6g}", signed=False)


def percent(
    value: Any, reason: str | None = None, *, digits: int = 1, signed: bool = False
) -> Markup:
    """A fraction, in percent without its sign: that stands in the header."""
    if value is None:
        return undefined(reason)
    shown = abs(float(value)) * 100
    text = f"{shown:,.0f}" if shown >= 1_000 else f"{shown:,.{digits}f}"
    return _figure(text, value, f"{float(value) * 100:,.6g} %", signed)


def bps(value: Any, reason: str | None = None, *, signed: bool = False) -> Markup:
    """A fraction in basis points."""
    if value is None:
        return undefined(reason)
    points = float(value) * 10_000
    return _figure(f"{abs(points):,.1f}", points, f"{points:,.6g} bps", signed)


def interval(low: Any, high: Any, *, times: float = 1, digits: int = 2) -> str:
    """Both ends of an interval, for a title."""
    if low is None or high is None:
        return ""
    text = f"{low * times:,.{digits}f} to {high * times:,.{digits}f}"
    return text.replace("-", MINUS)


def duration(milliseconds: Any, reason: str | None = None) -> Markup:
    """In its two largest units."""
    if milliseconds is None:
        return undefined(reason)
    return escape(span(float(milliseconds)))


def span(milliseconds: float) -> str:
    """The same as text."""
    seconds = milliseconds / 1000
    for size, unit, below, next_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            smaller = int(rest // below)
            first = f"{int(whole):,}{THIN}{unit}"
            return f"{first} {smaller}{THIN}{next_unit}" if smaller and whole < 10 else first
    return f"{seconds:.0f}{THIN}s" if seconds >= 1 else f"{milliseconds:.0f}{THIN}ms"


def day(value: Any) -> Markup:
    """The UTC day of an instant."""
    return undefined(None) if value is None else _time(value, f"{_utc(value):%Y-%m-%d}")


def last_day(value: Any) -> Markup:
    """The last day before a midnight: what the data hold."""
    return undefined(None) if value is None else day(int(value) - 1)


def moment(value: Any) -> Markup:
    """Day and minute, UTC."""
    return undefined(None) if value is None else _time(value, f"{_utc(value):%Y-%m-%d %H:%M}")


def clock(value: Any) -> Markup:
    """Hour and minute, UTC."""
    return undefined(None) if value is None else _time(value, f"{_utc(value):%H:%M}")


def short_address(address: str) -> str:
    """What the eye needs of an address; the whole of it stands beside, in a title."""
    return f"{address[:6]}…{address[-4:]}" if len(address) > 12 else address


def words(code: str) -> str:
    """A code as words."""
    return code.replace("_", " ")


def _figure(digits: str, value: Any, title: str, signed: bool) -> Markup:
    """With a sign where it tells gain from loss; the colour only repeats it."""
    is_zero = _ONE_TO_NINE.isdisjoint(digits)
    sign = "" if is_zero else MINUS if value < 0 else "+" if signed else ""
    tone = "" if not signed or is_zero else "loss" if value < 0 else "gain"
    title = title.replace("-", MINUS)
    # Digits and signs of our own making: nothing to escape, and escaping is what takes time.
    return Markup(f'<span class="num {tone}" title="{title}">{sign}{digits}</span>')  # nosec B704


def _short(amount: Decimal) -> str:
    for least, size, letter in _STEPS:
        if amount >= least:
            return f"{amount / size:.{2 if amount < 100 * size else 1}f}{THIN}{letter}"
    return f"{amount:,.0f}" if amount >= 1_000 or not amount else f"{amount:,.2f}"


def _utc(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def _time(value: Any, text: str) -> Markup:
    exact = _utc(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # Of a moment, in forms that hold nothing but digits, signs and months.
    return Markup(f'<time datetime="{exact}" title="{exact}">{text}</time>')  # nosec B704
