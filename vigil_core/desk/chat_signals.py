"""Trading signals that people write into chats.

    reading = read_message("LONG #BTC/USDT | entry 60000 - 60500 | TP 61000 / 62000 | SL 59000")

A message is read or refused with a reason, never guessed at: two coins, two directions, or levels
that contradict the direction are no signal. `confidence` says how much of a signal the message
spelled out; it is this parser's, not the author's, who may state one of his own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

Action = Literal["open", "close"]
Side = Literal["long", "short"]

CONFIDENCE = {"direction": 0.5, "entry": 0.2, "targets": 0.1, "stop": 0.1, "leverage": 0.1}
"""What each part of a message that was found adds to the confidence in having read it right."""

REASONS = (
    "no_text",
    "no_coin",
    "two_coins",
    "no_direction",
    "two_directions",
    "reports_a_result",
    "unreadable_number",
    "levels_contradict_direction",
    "leverage_not_possible",
)
"""Why a message is no signal."""

NO_COINS_KNOWN: Mapping[str, str] = MappingProxyType({})

MOST_LEVERAGE = 200
MOST_CHARACTERS = 4096
"""Telegram's own limit."""

_QUOTES = "USDT|USDC|USD|PERP"
_NAME = r"(?:1000+)?[A-Z][A-Z0-9]{1,9}?"
_NUMBER = r"\d[\d,._]*\d|\d"
_COIN = re.compile(
    rf"(?<![\w$#])(?:[$#]({_NAME})(?:[/_-]?(?:{_QUOTES}))?|({_NAME})[/_-]?(?:{_QUOTES}))(?![\w])"
)
_BARE_COIN = re.compile(
    r"\b(?:LONG|SHORT|BUY|SELL|CLOSE|CLOSED|EXIT)(?:ING)?\s+([A-Z][A-Z0-9]{1,9})\b"
    r"|\b([A-Z][A-Z0-9]{1,9})\s+(?:LONG|SHORT|BUY|SELL)\b"
)
_NO_COINS = frozenset(
    {
        "A",
        "ABOVE",
        "ALL",
        "AND",
        "AROUND",
        "AT",
        "BELOW",
        "BUY",
        "CLOSE",
        "ENTRY",
        "FOR",
        "FROM",
        "FULL",
        "HALF",
        "HERE",
        "IN",
        "IT",
        "LIMIT",
        "LONG",
        "MARKET",
        "NOW",
        "OF",
        "ON",
        "OR",
        "OUR",
        "POSITION",
        "PRICE",
        "SELL",
        "SETUP",
        "SHORT",
        "SIGNAL",
        "SL",
        "STOP",
        "TARGET",
        "TARGETS",
        "THE",
        "THIS",
        "TO",
        "TP",
        "TRADE",
        "USD",
        "USDC",
        "USDT",
        "ZONE",
    }
)
"""Words beside a direction that are none."""
_LONG = re.compile(r"\b(?:LONG|BUY|BUYING|BULLISH)\b")
_SHORT = re.compile(r"\b(?:SHORT|SELL|SELLING|BEARISH)\b")
_CLOSE = re.compile(r"\b(?:CLOSE|CLOSING|CLOSED|EXIT|EXITING)\b")
_RESULT = re.compile(
    r"\b(?:TP|TARGETS?|SL|STOP(?:\s*LOSS)?)\s*\d*\s*(?:HIT|REACHED|DONE|FILLED|ACHIEVED)\b"
    r"|\bHIT\s+(?:TP|TARGETS?|SL|STOP)"
    r"|\b(?:PROFIT|GAIN|LOSS)\s*:?\s*[+-]?\d"
    r"|[+-]\s?\d+(?:\.\d+)?\s?%\s*(?:PROFIT|GAIN|LOSS|DONE|BOOKED|IN)"
)
_ENTRY = re.compile(
    r"\b(?:ENTRY|ENTRIES|ENTER|ENTRY ZONE|BUY ZONE|SELL ZONE|OPEN|PRICE)\b"
    rf"[^\d\n,;|]{{0,24}}({_NUMBER})(?:\s*(?:-|–|TO|/)\s*\$?({_NUMBER}))?"
    rf"|@\s*\$?({_NUMBER})(?:\s*(?:-|–|TO)\s*\$?({_NUMBER}))?"
)
_TARGETS = re.compile(
    r"\b(?:TP|TARGETS?|TAKE\s*PROFITS?)(?: ?\d{1,2}(?= ?[:=)@-]|\.\s))?[ :=)@.-]*"
    r"((?:\n *\d{1,2}[).:][^\n]*)+|[^\n|]*)"
)
"""A line, or the list below it."""
_LIST_MARK = re.compile(r"(?:^|\n) *\d{1,2}[).:] ")
_STOP = re.compile(rf"\b(?:SL|STOP(?:[\s-]*LOSS)?|INVALIDATION)\b[^\d\n]{{0,24}}({_NUMBER})")
_LEVERAGE = re.compile(
    r"\b(?:LEVERAGE|LEV|CROSS|ISOLATED)\b[^\d\n]{0,12}(\d{1,4}(?:\.\d+)?)\s*X?"
    r"|(?<![\w.])(\d{1,4}(?:\.\d+)?)\s?X\b|\bX\s?(\d{1,3})\b"
)
_STATED = re.compile(r"\bCONFIDENCE\b[^\d\n]{0,8}(\d{1,3}(?:\.\d+)?)\s*(%|/\s*10\b)?")
_LEVEL = re.compile(_NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSignal:
    """What a message says should be done. Prices in USD."""

    action: Action
    coin: str
    side: Side | None
    """None: whatever is open, for close."""
    entry: tuple[Decimal, Decimal] | None
    """Lowest and highest price; None: at market."""
    targets: tuple[Decimal, ...]
    """From the nearest on."""
    stop: Decimal | None
    leverage: Decimal | None
    stated_confidence: float | None
    """The author's own, 0 … 1."""
    confidence: float
    """This parser's, 0 … 1: the sum of what was found of `CONFIDENCE`."""


@dataclass(frozen=True, slots=True)
class NoSignal:
    """A message that is none, and which of `REASONS`."""

    reason: str


def read_message(text: str, known: Mapping[str, str] = NO_COINS_KNOWN) -> ChatSignal | NoSignal:
    """Read one message; never raises.

    `known` gives the exchange's spelling by the upper-case name, for coins that the message may
    mention without a mark; others are taken as they are written, in upper case.
    """
    flat = _plain(text)
    if not flat:
        return NoSignal("no_text")
    coins = {known.get(coin, coin) for coin in _coins(flat, known)}
    if len(coins) > 1:
        return NoSignal("two_coins")
    if _RESULT.search(flat) and not _ENTRY.search(flat):
        return NoSignal("reports_a_result")
    if not coins:
        return NoSignal("no_coin")
    [coin] = coins
    sides: list[Side] = []
    if _LONG.search(flat):
        sides.append("long")
    if _SHORT.search(flat):
        sides.append("short")
    if _CLOSE.search(flat) and not _ENTRY.search(flat):
        return _closing(coin, sides)
    if len(sides) > 1:
        return NoSignal("two_directions")
    if not sides:
        return NoSignal("no_direction")
    return _opening(coin, sides[0], flat)


def _closing(coin: str, sides: list[Side]) -> ChatSignal | NoSignal:
    if len(sides) > 1:
        return NoSignal("two_directions")
    return ChatSignal(
        action="close",
        coin=coin,
        side=sides[0] if sides else None,
        entry=None,
        targets=(),
        stop=None,
        leverage=None,
        stated_confidence=None,
        # All there is to say was said.
        confidence=1.0,
    )


def _opening(coin: str, side: Side, text: str) -> ChatSignal | NoSignal:
    try:
        entry = _entry(text)
        targets = tuple(sorted(_targets(text), reverse=side == "short"))
        stop = _first_number(_STOP, text)
    except ArithmeticError:
        return NoSignal("unreadable_number")
    try:
        leverage = _first_number(_LEVERAGE, text)
    except ArithmeticError:
        return NoSignal("leverage_not_possible")
    if leverage is not None and not 1 <= leverage <= MOST_LEVERAGE:
        return NoSignal("leverage_not_possible")
    if not _agree(side, entry, targets, stop):
        return NoSignal("levels_contradict_direction")
    found = {
        "direction": True,
        "entry": entry is not None,
        "targets": bool(targets),
        "stop": stop is not None,
        "leverage": leverage is not None,
    }
    return ChatSignal(
        action="open",
        coin=coin,
        side=side,
        entry=entry,
        targets=targets,
        stop=stop,
        leverage=leverage,
        stated_confidence=_stated(text),
        confidence=round(sum(CONFIDENCE[part] for part, is_there in found.items() if is_there), 2),
    )


def _plain(text: str) -> str:
    """Upper case, without what is neither letter, digit nor sign of a price."""
    kept = re.sub(r"[^\w\s$#@/.,:;|=()%+–-]", " ", text[:MOST_CHARACTERS].upper())
    if re.search(r"\d\.\d{3},\d", kept):
        # One number with both signs tells how all others are written.
        kept = re.sub(r"(?<=\d)\.(?=\d{3}(?!\d))", "", kept)
    return re.sub(r"[^\S\n]+", " ", kept).strip()


def _coins(text: str, known: Mapping[str, str]) -> set[str]:
    marked = {first or second for first, second in _COIN.findall(text)}
    # Short names are words of the language as well.
    mentioned = {word for word in re.findall(r"\w{3,}", text) if word in known}
    bare = {first or second for first, second in _BARE_COIN.findall(text)}
    found = ((marked | mentioned) - _NO_COINS) or (bare - _NO_COINS)
    # The exchange counts some coins in thousands: kPEPE.
    return {re.sub("^1000(?=[A-Z])", "K", coin) for coin in found}


def _entry(text: str) -> tuple[Decimal, Decimal] | None:
    found = _ENTRY.search(text)
    if found is None:
        return None
    prices = [_number(part) for part in found.groups() if part]
    return min(prices), max(prices)


def _targets(text: str) -> list[Decimal]:
    found: list[Decimal] = []
    for lines in _TARGETS.findall(text):
        line = _LIST_MARK.sub(" / ", lines)
        # What follows a stop on the same line is the stop's.
        before_stop = _STOP.split(line)[0]
        parts = re.split(r"\s+-\s+|[/;|]|,\s|\bAND\b|\s(?=\d)", before_stop)
        found += [_number(level) for part in parts for level in _LEVEL.findall(part)[:1]]
    return found


def _first_number(pattern: re.Pattern[str], text: str) -> Decimal | None:
    found = pattern.search(text)
    return None if found is None else _number(next(part for part in found.groups() if part))


def _number(text: str) -> Decimal:
    """`60,000.50`, `60.000,50`, `60_000` and `0,085` as people write them.

    Raises:
        ArithmeticError: It is none, or could be two.
    """
    digits = text.replace("_", "").strip(".,")
    if "," in digits and "." in digits:
        thousands = "," if digits.rfind(".") > digits.rfind(",") else "."
        digits = digits.replace(thousands, "").replace(",", ".")
    elif re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", digits):
        digits = digits.replace(",", "")
    elif digits.count(",") == 1:
        digits = digits.replace(",", ".")
    value = Decimal(digits)
    if value <= 0:
        raise ArithmeticError(text)
    return value


def _agree(
    side: Side,
    entry: tuple[Decimal, Decimal] | None,
    targets: tuple[Decimal, ...],
    stop: Decimal | None,
) -> bool:
    """Whether one gains at the targets and loses at the stop."""
    sign = 1 if side == "long" else -1
    if stop is not None and any(sign * (target - stop) <= 0 for target in targets):
        return False
    if entry is None:
        return True
    if any(sign * target <= min(sign * price for price in entry) for target in targets):
        return False
    return stop is None or all(sign * (price - stop) > 0 for price in entry)


def _stated(text: str) -> float | None:
    found = _STATED.search(text)
    if found is None:
        return None
    value = float(found.group(1))
    unit = found.group(2)
    if unit is not None:
        value /= 100 if unit == "%" else 10
    elif value > 1:
        value /= 100
    return value if 0 <= value <= 1 else None
