# mypy: allow-untyped-calls, allow-untyped-defs, allow-untyped-decorators
# Compiled code: its types are inferred by numba, from the values it is called with.
"""Lines of balances, straight from bytes to rows: one compiled pass that makes no objects.

The kernel takes only what it can prove ordinary, with the meaning that `balances_lines.checked`
would give it. At any surprise it takes back the line it is in and returns; that line is then read
slowly, so that speed never decides what is accepted.

Ordinary is: ASCII without escapes, at most `MAX_TEXT` bytes a text; each known key once, those of
a state in one place only; figures as texts with at most 18 digits before the point; times as
naive ISO or ms; coins of `Coins`. What unknown keys hold is passed over, but checked to be JSON.
"""

from typing import Any

import numpy as np
from numba import njit

from vigil_core.artemis.balances_lines import MOST_WHOLE, Record
from vigil_core.calendar import EARLIEST_MS, LATEST_MS

# Private to compiled code, which this is.
from vigil_core.fills.kernel import (
    _HIGHS,
    _ONES,
    _QUOTES,
    _SLASHES,
    _SPACES,
    _decimal,
    _digits,
    _integer,
    _is_null,
    _iso_ns,
    _text_end,
)
from vigil_core.fills.machine_words import (
    load8,
    load64,
    load_word,
    store8,
    store64,
    trailing_zeros,
)
from vigil_core.fills.schema import MONEY_SCALE

FIGURE = "V16"
"""How often it holds the last decimal of `MONEY`: a signed little-endian integer."""

TOTALS = ("account_value", "total_ntl_pos", "total_margin_used", "total_raw_usd")
ACCOUNT = np.dtype(
    [
        ("recorded_at", np.int64),
        ("address", "S42"),
        *((f"has_{name}", np.uint8) for name in TOTALS),
        *((name, FIGURE) for name in TOTALS),
    ]
)
"""A record; `recorded_at` is -1 where it has none."""

LEVELS = ("liquidation_px", "entry_px", "margin_used")
POSITION = np.dtype(
    [
        ("account", np.int64),
        ("coin", np.int64),
        ("leverage", np.int64),
        ("max_leverage", np.int64),
        *((f"has_{name}", np.uint8) for name in LEVELS),
        *((name, FIGURE) for name in ("szi", "position_value", *LEVELS)),
    ]
)
"""A position; `account` counts records, `coin` is a code of `Coins`, a leverage of -1 is none."""

SHORTEST_ACCOUNT, SHORTEST_POSITION = 64, 48
"""No line of fewer bytes is a record, and no fewer bytes of a line are a position."""

COUNTS = ("lines", "accounts", "positions", "real", "documented", "iso", "ms", "none")
"""What of the table is counted: lines, and of them records, by place of positions and by time."""
_TABLE = ("account_rows", "position_rows", "coins", "account_base", "seen", "stamp", *COUNTS)

_ROOM = 1 << 22
"""Of bytes; if few of them are rows, those of many more."""
_COIN_BYTES, _COIN_SLOTS = 24, 4_096
_MAX_DEPTH = 32

_QUOTE, _COMMA, _MINUS, _POINT, _ZERO, _NINE, _COLON = (ord(c) for c in '",-.09:')
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = (ord(c) for c in "[]{}")
_LINE_FEED, _RETURN, _SPACE, _X, _E = (ord(c) for c in "\n\r xe")

_LOWER_HEX = np.zeros(256, np.uint8)
"""Of each byte that is a hexadecimal digit its lower case, of all others 0."""
for _digit in b"0123456789abcdefABCDEF":
    _LOWER_HEX[_digit] = ord(chr(_digit).lower())

_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_FOUR_BYTES, _NO_BITS = np.uint64(2**32 - 1), np.uint64(0)
_TRUE, _FALS = (np.uint64(int.from_bytes(word, "little")) for word in (b"true", b"fals"))
_MIX, _TOP = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - (_COIN_SLOTS - 1).bit_length())

Rows = np.ndarray[Any, np.dtype[Any]]
"""Of `ACCOUNT` or of `POSITION`."""
Words = tuple[np.uint64, np.uint64]


def _words(key: str) -> Words:
    """A text of at most 16 bytes as two words, with zeros behind it."""
    text = key.encode().ljust(16, b"\0")
    low, high = (np.uint64(int.from_bytes(part, "little")) for part in (text[:8], text[8:]))
    return low, high


_METADATA, _ADDRESS, _USER, _TIMESTAMP = map(_words, ("_metadata", "address", "user", "timestamp"))
_RESPONSE, _PERPETUAL = _words("response"), _words("perpetual")
_ASSET_POSITIONS, _MARGIN_SUMMARY = _words("assetPositions"), _words("marginSummary")
_ACCOUNT_VALUE, _TOTAL_NTL_POS, _TOTAL_MARGIN_USED, _TOTAL_RAW_USD = map(
    _words, ("accountValue", "totalNtlPos", "totalMarginUsed", "totalRawUsd")
)
_POSITION_KEY, _COIN, _SZI, _POSITION_VALUE = map(
    _words, ("position", "coin", "szi", "positionValue")
)
_LIQUIDATION_PX, _ENTRY_PX, _MARGIN_USED = map(_words, ("liquidationPx", "entryPx", "marginUsed"))
_LEVERAGE, _MAX_LEVERAGE, _VALUE = map(_words, ("leverage", "maxLeverage", "value"))


def _place(rows: np.dtype[Any], name: str) -> int:
    assert rows.fields is not None
    return int(rows.fields[name][1])


_ACCOUNT_SIZE, _POSITION_SIZE = ACCOUNT.itemsize, POSITION.itemsize
_AT_TIME, _AT_ADDRESS = _place(ACCOUNT, "recorded_at"), _place(ACCOUNT, "address")
_TOTALS_AT = tuple(_place(ACCOUNT, name) for name in TOTALS)
_HAS_TOTALS = tuple(_place(ACCOUNT, f"has_{name}") for name in TOTALS)
_AT_ACCOUNT, _AT_COIN = _place(POSITION, "account"), _place(POSITION, "coin")
_AT_LEVERAGE, _AT_MAX_LEVERAGE = _place(POSITION, "leverage"), _place(POSITION, "max_leverage")
_AT_SZI, _AT_VALUE = _place(POSITION, "szi"), _place(POSITION, "position_value")
_LEVELS_AT = tuple(_place(POSITION, name) for name in LEVELS)
_HAS_LEVELS = tuple(_place(POSITION, f"has_{name}") for name in LEVELS)

(
    _ACCOUNT_ROWS,
    _POSITION_ROWS,
    _COINS,
    _ACCOUNT_BASE,
    _SEEN,
    _STAMP,
    _LINES,
    _ACCOUNTS,
    _POSITIONS,
    _REAL,
    _DOCUMENTED,
    _ISO,
    _MS,
    _NONE,
) = (8 * nth for nth in range(len(_TABLE)))

# Which keys a line had.
_REAL_POSITIONS, _REAL_MARGIN, _TOP_POSITIONS, _TOP_MARGIN = 1, 2, 4, 8
_STATES = 15
_HAD_RESPONSE, _HAD_PERPETUAL, _HAD_ADDRESS, _HAD_TIME = 16, 32, 64, 128

_SLOT = np.dtype([("words", np.uint64, (3,)), ("code", np.int64), ("stamp", np.int64)])
_SLOT_SIZE, _AT_CODE, _AT_STAMP = _SLOT.itemsize, _place(_SLOT, "code"), _place(_SLOT, "stamp")

_compiled: Any = njit(cache=True, nogil=True)
_inlined: Any = njit(cache=True, nogil=True, inline="always")


class Coins:
    """Names of coins by the order of their first appearance, and those that the kernel knows."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        # Free slots have code -1.
        self.slots = np.zeros(_COIN_SLOTS, _SLOT)
        self.slots["code"] = -1

    def code(self, name: str) -> int:
        """Code of a coin; a new one is made known to the kernel if there is room for it."""
        if name not in self._codes:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
            text = name.encode()
            # Half of the slots stay free, so that looking for what is not there ends soon.
            if len(text) <= _COIN_BYTES and code < _COIN_SLOTS // 2:
                words = np.frombuffer(text.ljust(_COIN_BYTES, b"\0"), np.uint64)
                add_coin(self.slots.ctypes.data, *words, code)
        return self._codes[name]


class Table:
    """What the kernel reads into: rows, which begin anew with `take`, and counts, which go on."""

    def __init__(self) -> None:
        self.coins = Coins()
        self._table = np.zeros(len(_TABLE), np.int64)
        self._table[_COINS // 8] = self.coins.slots.ctypes.data
        self.make_room(_ROOM)

    @property
    def address(self) -> int:
        """Of the table. Good as long as this object lives."""
        return int(self._table.ctypes.data)

    def make_room(self, size: int) -> None:
        """For the records of so many bytes of lines. All rows must have been taken."""
        self.accounts = np.zeros(size // SHORTEST_ACCOUNT + 2, ACCOUNT)
        self.positions = np.zeros(size // SHORTEST_POSITION + 2, POSITION)
        self._table[_ACCOUNT_ROWS // 8] = self.accounts.ctypes.data
        self._table[_POSITION_ROWS // 8] = self.positions.ctypes.data

    def has_room(self, size: int) -> bool:
        """Whether there is still room for the records of so many bytes of lines."""
        accounts = len(self.accounts) - self.count("accounts") - 2
        positions = len(self.positions) - self.count("positions") - 2
        return size <= min(accounts * SHORTEST_ACCOUNT, positions * SHORTEST_POSITION)

    def count(self, name: str, more: int = 0) -> int:
        """One of `COUNTS`, after adding to it; of rows those that were not yet taken."""
        place = len(_TABLE) - len(COUNTS) + COUNTS.index(name)
        self._table[place] += more
        return int(self._table[place])

    @property
    def records(self) -> int:
        """Of all lines so far."""
        return int(self._table[_ACCOUNT_BASE // 8]) + self.count("accounts")

    def put(self, record: Record) -> None:
        """Add a record that was read by other means."""
        account, nth = self.count("accounts"), self.records
        time = -1 if record.recorded_at is None else record.recorded_at
        there = [text is not None for text in record.totals]
        self.accounts[account] = (time, record.address, *there, *map(_units, record.totals))
        for row, held in enumerate(record.positions, self.count("positions")):
            levels = (held.liquidation_px, held.entry_px, held.margin_used)
            self.positions[row] = (
                nth,
                self.coins.code(held.coin),
                -1 if held.leverage is None else held.leverage,
                -1 if held.max_leverage is None else held.max_leverage,
                *(text is not None for text in levels),
                *map(_units, (held.szi, held.position_value, *levels)),
            )
        self.count("accounts", 1)
        self.count("positions", len(record.positions))
        self.count("real" if record.is_real else "documented", 1)
        self.count(record.time_encoding, 1)

    def take(self) -> tuple[Rows, Rows]:
        """The rows of accounts and of positions; further ones are read in their place."""
        records, accounts, positions = self.records, self.count("accounts"), self.count("positions")
        self._table[_ACCOUNT_BASE // 8] = records
        self._table[[_ACCOUNTS // 8, _POSITIONS // 8]] = 0
        return self.accounts[:accounts], self.positions[:positions]


def _units(figure: str | None) -> bytes:
    """As a `FIGURE`."""
    whole, _, part = (figure or "0").partition(".")
    return int(whole + part.ljust(MONEY_SCALE, "0")).to_bytes(16, "little", signed=True)


# Places are addresses. A function that reads something gives the place behind it, or -1 for a
# surprise.


# --- what passes over ----------------------------------------------------------------------


@_inlined
def _space(at):
    while load8(at) == _SPACE:
        at += 1
    return at


@_inlined
def _plain_bytes(word):
    """How many bytes of a word, from the first on, are plain and no quote."""
    quote, slash = word ^ _QUOTES, word ^ _SLASHES
    odd = ((quote - _ONES) | (slash - _ONES) | (word - _SPACES)) & ~word | word
    return trailing_zeros(odd & _HIGHS) >> 3


@_inlined
def _key(at):
    """(two words of the key at `at`, place of its value). Of a key over 16 bytes they are 0."""
    if load8(at) != _QUOTE:
        return _NO_BITS, _NO_BITS, np.int64(-1)
    at += 1
    low, high = load_word(at), _NO_BITS
    length = _plain_bytes(low)
    if length < 8:
        low &= _MASKS[length]
    else:
        high = load_word(at + 8)
        length = _plain_bytes(high)
        high &= _MASKS[length]
        length += 8
    if load8(at + length) != _QUOTE:
        end = _text_end(at)
        if end < 0:
            return _NO_BITS, _NO_BITS, end
        low = high = _NO_BITS
        length = end - at
    at += length + 1
    if load8(at) != _COLON:
        at = _space(at)
        if load8(at) != _COLON:
            return low, high, np.int64(-1)
    return low, high, _space(at + 1)


@_inlined
def _opened(at):
    """Place of the first key of the object at `at`. An empty one is a surprise."""
    if load8(at) != _OPEN_OBJECT:
        return np.int64(-1)
    return _space(at + 1)


@_inlined
def _next(at, closing):
    """(place behind the comma or the closing bracket that follows a value, whether it closes)."""
    at = _space(at)
    mark = load8(at)
    if mark == _COMMA:
        return _space(at + 1), False
    if mark == closing:
        return at + 1, True
    return np.int64(-1), True


@_compiled
def _plain(at):
    """Pass over a text, a number without exponent, true, false or null."""
    first = load8(at)
    if first == _QUOTE:
        end = _text_end(at + 1)
        return end + 1 if end >= 0 else end
    if first == _MINUS or _ZERO <= first <= _NINE:
        value, at = _integer(at + 1 if first == _MINUS else at)
        if value < 0:
            return np.int64(-1)
        if load8(at) == _POINT:
            begin = at + 1
            value, at = _digits(begin)
            if at == begin:
                return np.int64(-1)
        return at
    word = load_word(at) & _FOUR_BYTES
    if _is_null(at) or word == _TRUE:
        return at + 4
    if word == _FALS and load8(at + 4) == _E:
        return at + 5
    return np.int64(-1)


@_compiled
def _skip(at):
    """Pass over a value of any kind, at most `_MAX_DEPTH` deep."""
    depth = np.int64(0)
    # The lowest bit says whether the innermost container is an object.
    kinds = np.int64(0)
    while True:
        first = load8(at)
        if first == _OPEN_OBJECT or first == _OPEN_LIST:  # noqa: SIM109
            is_object = first == _OPEN_OBJECT
            at = _space(at + 1)
            if load8(at) != (_CLOSE_OBJECT if is_object else _CLOSE_LIST):
                if depth == _MAX_DEPTH:
                    return np.int64(-1)
                depth += 1
                kinds = 2 * kinds + is_object
                if is_object:
                    low, high, at = _key(at)
                    if at < 0:
                        return at
                continue
            at += 1
        else:
            at = _plain(at)
            if at < 0:
                return at
        while True:
            if depth == 0:
                return at
            is_object = kinds & 1
            at, closes = _next(at, _CLOSE_OBJECT if is_object else _CLOSE_LIST)
            if at < 0:
                return at
            if not closes:
                break
            depth -= 1
            kinds >>= 1
        if is_object:
            low, high, at = _key(at)
            if at < 0:
                return at


# --- coins ---------------------------------------------------------------------------------


@_compiled
def _slot(slots, one, two, three):
    """Place of the slot of a coin's name, or of the free one where it would go."""
    mixed = (one ^ ((two ^ (three * _MIX)) * _MIX)) * _MIX
    nth = np.int64(mixed >> _TOP)
    while True:
        at = slots + _SLOT_SIZE * nth
        if load64(at + _AT_CODE) < 0:
            return at
        if load_word(at) == one and load_word(at + 8) == two and load_word(at + 16) == three:
            return at
        nth = (nth + 1) % _COIN_SLOTS


@_compiled
def add_coin(slots, one, two, three, code):
    """Enter a coin's name, as words with zeros behind it."""
    at = _slot(slots, one, two, three)
    store64(at, one)
    store64(at + 8, two)
    store64(at + 16, three)
    store64(at + _AT_CODE, code)


@_compiled
def _coin(at, table):
    """(place behind the coin at `at`, place of its slot)."""
    unknown = (np.int64(-1), np.int64(-1))
    if load8(at) != _QUOTE:
        return unknown
    at += 1
    end = _text_end(at)
    length = end - at
    if end < 0 or length > _COIN_BYTES:
        return unknown
    one = load_word(at) & _MASKS[min(length, 8)]
    two = load_word(at + 8) & _MASKS[min(max(length - 8, 0), 8)]
    three = load_word(at + 16) & _MASKS[max(length - 16, 0)]
    slot = _slot(load64(table + _COINS), one, two, three)
    if load64(slot + _AT_CODE) < 0:
        return unknown
    return end + 1, slot


# --- a record ------------------------------------------------------------------------------


@_inlined
def _figure(at, place):
    return _decimal(at, place, 0, True)


@_compiled
def _optional(at, place, has):
    if _is_null(at):
        return at + 4
    store8(has, 1)
    return _decimal(at, place, 0, True)


@_compiled
def _whole(at, place):
    if _is_null(at):
        return at + 4
    value, at = _integer(at)
    if value < 0 or value >= MOST_WHOLE:
        return np.int64(-1)
    store64(place, value)
    return at


@_compiled
def _leverage(at, place):
    """A whole number, or an object with one as its `value`."""
    if load8(at) != _OPEN_OBJECT:
        return _whole(at, place)
    at = _opened(at)
    had_value = False
    while True:
        low, high, at = _key(at)
        if at < 0:
            return at
        if low == _VALUE[0] and high == _VALUE[1]:
            if had_value:
                return np.int64(-1)
            had_value = True
            at = _whole(at, place)
        elif load8(at) == _QUOTE:
            at = _plain(at)
        else:
            # This object is decoded whole, so numbers in it must be what Python can hold.
            return np.int64(-1)
        if at < 0:
            return at
        at, closes = _next(at, _CLOSE_OBJECT)
        if closes:
            return at


@_compiled
def _position(at, row, stamp, table):
    """Read a position into a row; its size may be 0."""
    store64(row + _AT_LEVERAGE, -1)
    store64(row + _AT_MAX_LEVERAGE, -1)
    for has in _HAS_LEVELS:
        store8(row + has, 0)
    had, slot = 0, np.int64(0)
    at = _opened(at)
    if at < 0:
        return at
    while True:
        low, high, at = _key(at)
        if at < 0:
            return at
        key = 0
        if low == _COIN[0] and high == _COIN[1]:
            key = 1
            at, slot = _coin(at, table)
        elif low == _SZI[0] and high == _SZI[1]:
            key = 2
            at = _figure(at, row + _AT_SZI)
        elif low == _POSITION_VALUE[0] and high == _POSITION_VALUE[1]:
            key = 4
            at = _figure(at, row + _AT_VALUE)
        elif low == _LIQUIDATION_PX[0] and high == _LIQUIDATION_PX[1]:
            key = 8
            at = _optional(at, row + _LEVELS_AT[0], row + _HAS_LEVELS[0])
        elif low == _ENTRY_PX[0] and high == _ENTRY_PX[1]:
            key = 16
            at = _optional(at, row + _LEVELS_AT[1], row + _HAS_LEVELS[1])
        elif low == _MARGIN_USED[0] and high == _MARGIN_USED[1]:
            key = 32
            at = _optional(at, row + _LEVELS_AT[2], row + _HAS_LEVELS[2])
        elif low == _LEVERAGE[0] and high == _LEVERAGE[1]:
            key = 64
            at = _leverage(at, row + _AT_LEVERAGE)
        elif low == _MAX_LEVERAGE[0] and high == _MAX_LEVERAGE[1]:
            key = 128
            at = _whole(at, row + _AT_MAX_LEVERAGE)
        else:
            at = _skip(at)
        if at < 0 or had & key:
            return np.int64(-1)
        had |= key
        at, closes = _next(at, _CLOSE_OBJECT)
        if closes:
            break
    if at < 0 or had & 7 != 7:
        return np.int64(-1)
    if load64(row + _AT_SZI) != 0 or load64(row + _AT_SZI + 8) != 0:
        # The same coin twice in a record.
        if load64(slot + _AT_STAMP) == stamp:
            return np.int64(-1)
        store64(slot + _AT_STAMP, stamp)
    store64(row + _AT_COIN, load64(slot + _AT_CODE))
    return at


@_compiled
def _entry(at, row, stamp, table):
    had_position = False
    at = _opened(at)
    if at < 0:
        return at
    while True:
        low, high, at = _key(at)
        if at < 0:
            return at
        if low == _POSITION_KEY[0] and high == _POSITION_KEY[1]:
            if had_position:
                return np.int64(-1)
            had_position = True
            at = _position(at, row, stamp, table)
        else:
            at = _skip(at)
        if at < 0:
            return at
        at, closes = _next(at, _CLOSE_OBJECT)
        if closes:
            return at if had_position else np.int64(-1)


@_compiled
def _positions(at, table):
    """Read the list of positions into rows behind those that count."""
    if load8(at) != _OPEN_LIST:
        return np.int64(-1)
    at = _space(at + 1)
    if load8(at) == _CLOSE_LIST:
        return at + 1
    count = load64(table + _POSITIONS)
    account = load64(table + _ACCOUNT_BASE) + load64(table + _ACCOUNTS)
    stamp = load64(table + _STAMP)
    while True:
        row = load64(table + _POSITION_ROWS) + _POSITION_SIZE * count
        at = _entry(at, row, stamp, table)
        if at < 0:
            return at
        # What is listed with size 0 was closed.
        if load64(row + _AT_SZI) != 0 or load64(row + _AT_SZI + 8) != 0:
            store64(row + _AT_ACCOUNT, account)
            count += 1
        at, closes = _next(at, _CLOSE_LIST)
        if closes:
            store64(table + _POSITIONS, count)
            return at


@_compiled
def _margin(at, row):
    had = 0
    at = _opened(at)
    if at < 0:
        return at
    while True:
        low, high, at = _key(at)
        if at < 0:
            return at
        key = 0
        if low == _ACCOUNT_VALUE[0] and high == _ACCOUNT_VALUE[1]:
            key = 1
            at = _optional(at, row + _TOTALS_AT[0], row + _HAS_TOTALS[0])
        elif low == _TOTAL_NTL_POS[0] and high == _TOTAL_NTL_POS[1]:
            key = 2
            at = _optional(at, row + _TOTALS_AT[1], row + _HAS_TOTALS[1])
        elif low == _TOTAL_MARGIN_USED[0] and high == _TOTAL_MARGIN_USED[1]:
            key = 4
            at = _optional(at, row + _TOTALS_AT[2], row + _HAS_TOTALS[2])
        elif low == _TOTAL_RAW_USD[0] and high == _TOTAL_RAW_USD[1]:
            key = 8
            at = _optional(at, row + _TOTALS_AT[3], row + _HAS_TOTALS[3])
        else:
            at = _skip(at)
        if at < 0 or had & key:
            return np.int64(-1)
        had |= key
        at, closes = _next(at, _CLOSE_OBJECT)
        if closes:
            return at


@_inlined
def _is_new(key, table):
    """Note that the line has a key; false if it had it already."""
    seen = load64(table + _SEEN)
    store64(table + _SEEN, seen | key)
    return seen & key == 0


@_inlined
def _of_state(low, high, at, row, table, positions, margin):
    """The value of a key of a state, known or not; `positions` and `margin` name its place."""
    if low == _ASSET_POSITIONS[0] and high == _ASSET_POSITIONS[1]:
        return _positions(at, table) if _is_new(positions, table) else np.int64(-1)
    if low == _MARGIN_SUMMARY[0] and high == _MARGIN_SUMMARY[1]:
        return _margin(at, row) if _is_new(margin, table) else np.int64(-1)
    return _skip(at)


@_compiled
def _perpetual(at, row, table):
    at = _opened(at)
    if at < 0:
        return at
    while True:
        low, high, at = _key(at)
        if at < 0:
            return at
        at = _of_state(low, high, at, row, table, _REAL_POSITIONS, _REAL_MARGIN)
        if at < 0:
            return at
        at, closes = _next(at, _CLOSE_OBJECT)
        if closes:
            return at


@_compiled
def _response(at, row, table):
    at = _opened(at)
    if at < 0:
        return at
    while True:
        low, high, at = _key(at)
        if at < 0:
            return at
        if low == _PERPETUAL[0] and high == _PERPETUAL[1]:
            at = _perpetual(at, row, table) if _is_new(_HAD_PERPETUAL, table) else np.int64(-1)
        else:
            at = _skip(at)
        if at < 0:
            return at
        at, closes = _next(at, _CLOSE_OBJECT)
        if closes:
            return at


@_compiled
def _address(at, row):
    """Put the quoted address at `at` into a row, in lower case."""
    if load8(at) != _QUOTE or load8(at + 1) != _ZERO or load8(at + 2) != _X:
        return np.int64(-1)
    place = row + _AT_ADDRESS - 1
    store8(place + 1, _ZERO)
    store8(place + 2, _X)
    is_good = 1
    for i in range(3, 43):
        digit = np.int64(_LOWER_HEX[load8(at + i)])
        is_good &= digit != 0
        store8(place + i, digit)
    if not is_good:
        return np.int64(-1)
    return at + 44 if load8(at + 43) == _QUOTE else np.int64(-1)


@_compiled
def _time(at, row):
    """(place behind the time at `at`, its count in the table)."""
    if _is_null(at):
        return at + 4, _NONE
    if load8(at) == _QUOTE:
        ns, at = _iso_ns(at + 1)
        time, at, encoding = ns // 1_000_000, at + 1, _ISO
    else:
        time, at = _integer(at)
        encoding = _MS
    if not EARLIEST_MS <= time < LATEST_MS:
        return np.int64(-1), encoding
    store64(row + _AT_TIME, time)
    return at, encoding


@_compiled
def _record(at, row, table):
    """Read a line into a row of accounts and those of its positions, counting nothing yet."""
    store64(row + _AT_TIME, -1)
    for has in _HAS_TOTALS:
        store8(row + has, 0)
    store64(table + _SEEN, 0)
    encoding = _NONE
    at = _opened(at)
    if at < 0:
        return at
    while True:
        low, high, at = _key(at)
        if at < 0:
            return at
        key = 0
        if low == _RESPONSE[0] and high == _RESPONSE[1]:
            key = _HAD_RESPONSE
            at = _response(at, row, table)
        elif (low == _ADDRESS[0] and high == _ADDRESS[1]) or (low == _USER[0] and high == _USER[1]):
            key = _HAD_ADDRESS
            at = _address(at, row)
        elif low == _TIMESTAMP[0] and high == _TIMESTAMP[1]:
            key = _HAD_TIME
            at, encoding = _time(at, row)
        elif low == _METADATA[0] and high == _METADATA[1]:
            return np.int64(-1)
        else:
            at = _of_state(low, high, at, row, table, _TOP_POSITIONS, _TOP_MARGIN)
        if at < 0 or (key != 0 and not _is_new(key, table)):
            return np.int64(-1)
        at, closes = _next(at, _CLOSE_OBJECT)
        if closes:
            break
    seen = load64(table + _SEEN)
    if at < 0 or seen & _HAD_ADDRESS == 0:
        return np.int64(-1)
    layout = _REAL
    if seen & _STATES == _TOP_POSITIONS or seen & _STATES == _TOP_POSITIONS | _TOP_MARGIN:
        layout = _DOCUMENTED
    elif seen & _STATES != _REAL_POSITIONS and seen & _STATES != _REAL_POSITIONS | _REAL_MARGIN:
        return np.int64(-1)
    at = _space(at)
    if load8(at) == _RETURN:
        at += 1
    if load8(at) != _LINE_FEED:
        return np.int64(-1)
    for count in (_LINES, _ACCOUNTS, layout, encoding):
        store64(table + count, load64(table + count) + 1)
    return at + 1


@_compiled
def read_ordinary(at, end, table):
    """Read whole lines into a table, until one is a surprise.

    Args:
        at: Address of the first line, of bytes with `machine_words.PADDING` more behind them.
        end: Address behind the last line's line feed.
        table: `Table.address`, of a table with room for them.

    Returns:
        Address of the first line that was not taken, or `end`.
    """
    while at < end:
        row = load64(table + _ACCOUNT_ROWS) + _ACCOUNT_SIZE * load64(table + _ACCOUNTS)
        positions = load64(table + _POSITIONS)
        store64(table + _STAMP, load64(table + _STAMP) + 1)
        line_end = _record(at, row, table)
        if line_end < 0:
            store64(table + _POSITIONS, positions)
            return at
        at = line_end
    return at
