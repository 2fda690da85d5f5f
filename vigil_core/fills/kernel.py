"""The node's lines, straight from bytes to columns: one compiled pass that makes no objects.

The kernel accepts only what it can prove ordinary, with the meaning that `node_format.check_line`
would give it. At any surprise it takes back the line it is in and returns; what reads that line
then is slow and exact, so that speed never decides what is accepted.

Ordinary is: no white space, no escapes, ASCII; a block's four keys in their order; the keys of a
fill in any order, each once; addresses in lower case; at most 18 digits before the point.
"""

from typing import Any

import numpy as np
from numba import njit

from vigil_core.calendar import EARLIEST_MS, LATEST_MS
from vigil_core.fills.machine_words import (
    load8,
    load32,
    load64,
    load_word,
    multiply_add,
    store8,
    store32,
    store64,
    trailing_zeros,
)
from vigil_core.fills.node_format import OBLIGATORY
from vigil_core.fills.row_group import COUNTS, MAX_BREAKS, MAX_TEXT, PARTS, TEXT_HEADER
from vigil_core.fills.schema import MONEY_SCALE

END, FULL, SURPRISE = 0, 1, 2
"""Why `read_lines` returned: the bytes are used up, there are rows enough, or a surprise."""

BLOCKS, EVENTS = 0, 1
"""Lines: a block each (`node_fills_by_block`), or one event each (`node_fills`)."""

_MAX_NEW_KEYS = 4

# In the order in which the node writes them: a guess that costs little where it is wrong.
_KEYS = [
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
    "builderFee",
    "deployerFee",
    "tid",
    "cloid",
    "feeToken",
    "builder",
    "twapId",
    "liquidation",
    "priorityGas",
]
_KEY_COUNT = len(_KEYS)
_OBLIGATORY = sum(1 << _KEYS.index(key) for key in OBLIGATORY)

(
    _KEY_COIN,
    _KEY_PX,
    _KEY_SZ,
    _KEY_SIDE,
    _KEY_TIME,
    _KEY_START_POSITION,
    _KEY_DIR,
    _KEY_CLOSED_PNL,
    _KEY_HASH,
    _KEY_OID,
    _KEY_CROSSED,
    _KEY_FEE,
    _KEY_BUILDER_FEE,
    _KEY_DEPLOYER_FEE,
    _KEY_TID,
    _KEY_CLOID,
    _KEY_FEE_TOKEN,
    _KEY_BUILDER,
    _KEY_TWAP_ID,
    _KEY_LIQUIDATION,
    _KEY_PRIORITY_GAS,
) = range(_KEY_COUNT)


def _word(text: bytes) -> int:
    return int.from_bytes(text[:8].ljust(8, b"\0"), "little")


def _mask(length: int) -> int:
    return (1 << (8 * min(length, 8))) - 1


def _fixed(text: bytes) -> tuple[np.uint64, np.uint64, int]:
    """The first and the last eight bytes of a text of 8 to 16 bytes, and its length."""
    assert 8 <= len(text) <= 16
    return np.uint64(_word(text)), np.uint64(_word(text[-8:])), len(text)


# A key with its closing quote and colon, as its first and its last eight bytes.
_NAMES = [f'{key}":'.encode() for key in _KEYS]
_KEY_LENGTH = np.array([len(name) for name in _NAMES], np.int64)
_KEY_MASK = np.array([_mask(len(name)) for name in _NAMES], np.uint64)
_KEY_HEAD = np.array([_word(name) for name in _NAMES], np.uint64)
_KEY_TAIL = np.array([_word(name[-8:]) for name in _NAMES], np.uint64)

_LOCAL_TIME_KEY = _fixed(b'{"local_time":"')
_BLOCK_TIME_KEY = _fixed(b'","block_time":"')
_BLOCK_NUMBER_KEY = _fixed(b',"block_number":')
_EVENTS_KEY = _fixed(b',"events":[')
_LIQUIDATED_USER_KEY = _fixed(b'{"liquidatedUser')
_MARK_PX_KEY = _fixed(b',"markPx":')
_METHOD_KEY = _fixed(b',"method":')

_POWERS = np.array([10**n for n in range(19)], np.int64)
_TAIL_MASK = np.array([_mask(n) for n in range(9)], np.uint64)
_ONE = 10**MONEY_SCALE
_SMALL = 2**63 // _ONE - 1
"""A whole part below this fits, scaled, into 63 bits."""

_NO_BITS = np.uint64(0)
_LOWEST = np.uint64(1)
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_SLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES = np.uint64(0x2020202020202020)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)

_FOUR_BYTES = np.uint64(_mask(4))
_NULL = np.uint64(_word(b"null"))
_TRUE = np.uint64(_word(b"true"))
_FALS = np.uint64(_word(b"fals"))

_QUOTE, _COMMA, _MINUS, _POINT, _ZERO, _NINE, _COLON = (ord(c) for c in '",-.09:')
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = (ord(c) for c in "[]{}")
_LINE_FEED, _BIG_A, _BIG_B, _BIG_T, _A, _E, _F, _X = (ord(c) for c in "\nABTaefx")


def _offset(name: str) -> int:
    return 8 * PARTS.index(name)


_TIME, _OID, _TID, _TWAP_ID = map(_offset, ("time", "oid", "tid", "twap_id"))
_BLOCK_NUMBER, _BLOCK_TIME, _LOCAL_TIME = map(_offset, ("block_number", "block_time", "local_time"))
_PX, _SZ, _START_POSITION = map(_offset, ("px", "sz", "start_position"))
_CLOSED_PNL, _FEE, _BUILDER_FEE = map(_offset, ("closed_pnl", "fee", "builder_fee"))
_DEPLOYER_FEE, _PRIORITY_GAS = map(_offset, ("deployer_fee", "priority_gas"))
_USER, _COIN, _DIR, _FEE_TOKEN, _HASH, _BUILDER = map(
    _offset, ("user_address", "coin", "dir", "fee_token", "hash", "builder")
)
_USER_TEXTS, _COIN_TEXTS, _DIR_TEXTS, _FEE_TOKEN_TEXTS, _HASH_TEXTS, _BUILDER_TEXTS = map(
    _offset,
    (
        "user_address_texts",
        "coin_texts",
        "dir_texts",
        "fee_token_texts",
        "hash_texts",
        "builder_texts",
    ),
)
_SELLS, _CROSSED, _HAS_TWAP_ID = map(_offset, ("sells", "crossed", "has_twap_id"))
_HAS_BUILDER_FEE, _HAS_DEPLOYER_FEE, _HAS_PRIORITY_GAS = map(
    _offset, ("has_builder_fee", "has_deployer_fee", "has_priority_gas")
)
_HAS_CLOID, _HAS_LIQUIDATION, _HAS_EXTRA = map(
    _offset, ("has_cloid", "has_liquidation", "has_extra")
)
_CLOID, _LIQUIDATION, _EXTRA = map(_offset, ("cloid", "liquidation", "extra"))
_CLOID_ENDS, _LIQUIDATION_ENDS, _EXTRA_ENDS = map(
    _offset, ("cloid_ends", "liquidation_ends", "extra_ends")
)
_CLOID_ROOM, _LIQUIDATION_ROOM, _EXTRA_ROOM = map(
    _offset, ("cloid_room", "liquidation_room", "extra_room")
)
_EVENT_INDEX, _BREAKS, _COUNTS = map(_offset, ("event_index", "breaks", "counts"))
_SCRATCH = _offset("scratch")

_LINES, _BLANK, _EMPTY, _BREAK_COUNT, _ANY_BLOCK, _FIRST, _FIRST_MS, _LAST, _LAST_MS = (
    8 * place for place in range(len(COUNTS))
)
_SLOTS, _TAKEN, _STARTS, _ARENA, _COUNT, _SLOT_MASK, _ENTRIES, _ROOM = (
    8 * place for place in range(len(TEXT_HEADER))
)

_compiled: Any = njit(cache=True, nogil=True)
_inlined: Any = njit(cache=True, nogil=True, inline="always")

# Places are addresses. A function that reads something gives the place behind it, or -1 for a
# surprise.


@_inlined
def _is_at(at, text):
    return load_word(at) == text[0] and load_word(at + text[2] - 8) == text[1]


@_inlined
def _is_null(at):
    return load_word(at) & _FOUR_BYTES == _NULL


# --- texts ---------------------------------------------------------------------------------


@_compiled
def _text_end(at):
    """Place of the quote that ends a plain text of at most `MAX_TEXT` bytes, or -1.

    Plain: no control characters, no backslash, ASCII. A byte behind an odd one may be taken
    for odd without being so, which costs a second look.
    """
    last = at + MAX_TEXT
    while at < last:
        word = load_word(at)
        quote, slash = word ^ _QUOTES, word ^ _SLASHES
        ends = (quote - _ONES) & ~quote & _HIGHS
        odd = (((word - _SPACES) & ~word) | word | ((slash - _ONES) & ~slash)) & _HIGHS
        if ends != _NO_BITS:
            if odd & ((ends & (~ends + _LOWEST)) - _LOWEST) != _NO_BITS:
                return np.int64(-1)
            return at + (trailing_zeros(ends) >> 3)
        if odd != _NO_BITS:
            return np.int64(-1)
        at += 8
    return np.int64(-1)


@_inlined
def _equal(one, other, length):
    end = one + length - 8
    while one <= end:
        if load_word(one) != load_word(other):
            return False
        one += 8
        other += 8
    mask = _TAIL_MASK[end + 8 - one]
    return load_word(one) & mask == load_word(other) & mask


@_inlined
def _copy(source, target, length):
    """May write up to seven bytes too many behind the copy."""
    for i in range(0, length, 8):
        store64(target + i, load64(source + i))


@_inlined
def _find(at, length, texts):
    """Code of a text, or minus one minus the free slot where it would go."""
    mixed = np.uint64(length)
    end = at + length - 8
    place = at
    while place <= end:
        mixed = (mixed ^ load_word(place)) * _MIX
        mixed ^= mixed >> _HALF
        place += 8
    mixed = (mixed ^ (load_word(place) & _TAIL_MASK[end + 8 - place])) * _MIX
    mixed ^= mixed >> _HALF
    mask = load64(texts + _SLOT_MASK)
    slots, starts, arena = (
        load64(texts + _SLOTS),
        load64(texts + _STARTS),
        load64(texts + _ARENA),
    )
    slot = np.int64(mixed) & mask
    while True:
        code = load32(slots + 4 * slot)
        if code < 0:
            return -1 - slot
        start = load32(starts + 4 * code)
        if load32(starts + 4 * code + 4) - start == length and _equal(at, arena + start, length):
            return code
        slot = (slot + 1) & mask


@_inlined
def _add(at, length, texts, slot):
    """Code of a new text, or -1 where the dictionary is full."""
    code = load64(load64(texts + _COUNT))
    starts = load64(texts + _STARTS)
    start = load32(starts + 4 * code)
    if code >= load64(texts + _ENTRIES) or start + length > load64(texts + _ROOM):
        return np.int64(-1)
    _copy(at, load64(texts + _ARENA) + start, length)
    store32(load64(texts + _SLOTS) + 4 * slot, code)
    store32(load64(texts + _TAKEN) + 4 * code, slot)
    store32(starts + 4 * code + 4, start + length)
    store64(load64(texts + _COUNT), code + 1)
    return code


@_compiled
def _text(at, row, codes, texts):
    """Put the code of the quoted text at `at` into a row; the row before is tried first."""
    if load8(at) != _QUOTE:
        return np.int64(-1)
    at += 1
    if row > 0:
        code = load32(codes + 4 * row - 4)
        starts = load64(texts + _STARTS)
        start = load32(starts + 4 * code)
        length = load32(starts + 4 * code + 4) - start
        if load8(at + length) == _QUOTE and _equal(at, load64(texts + _ARENA) + start, length):
            store32(codes + 4 * row, code)
            return at + length + 1
    end = _text_end(at)
    if end < 0:
        return np.int64(-1)
    code = _find(at, end - at, texts)
    if code < 0:
        code = _add(at, end - at, texts, -1 - code)
        if code < 0:
            return np.int64(-1)
    store32(codes + 4 * row, code)
    return end + 1


@_compiled
def _address(at, row, codes, texts):
    """Put the code of the quoted address at `at`, in lower case, into a row."""
    if load8(at) != _QUOTE or load8(at + 43) != _QUOTE:
        return np.int64(-1)
    at += 1
    code = _find(at, np.int64(42), texts)
    if code < 0:
        if load8(at) != _ZERO or load8(at + 1) != _X:
            return np.int64(-1)
        for i in range(2, 42):
            digit = load8(at + i)
            if not (_ZERO <= digit <= _NINE or _A <= digit <= _F):
                return np.int64(-1)
        code = _add(at, np.int64(42), texts, -1 - code)
        if code < 0:
            return np.int64(-1)
    store32(codes + 4 * row, code)
    return at + 43


@_inlined
def _span(at, end, row, has, column, ends, room):
    """Put the bytes from `at` to `end` behind those of the rows before."""
    start = load32(ends + 4 * row)
    if end < 0 or start + (end - at) > room:
        return np.int64(-1)
    _copy(at, column + start, end - at)
    store32(ends + 4 * row + 4, start + (end - at))
    store8(has + row, 1)
    return end


# --- numbers -------------------------------------------------------------------------------


@_inlined
def _digits(at):
    """(number, place behind them) of the digits at `at`, none as 0. Beyond 18 it is wrong."""
    number = np.int64(0)
    while True:
        digit = load8(at) - _ZERO
        if digit < 0 or digit > 9:
            break
        number = number * 10 + digit
        at += 1
    return number, at


@_inlined
def _integer(at):
    """(value, place behind it) of an unsigned integer of at most 18 digits; value -1."""
    first = at
    value, at = _digits(at)
    length = at - first
    if length == 0 or length > 18 or (length > 1 and load8(first) == _ZERO):
        return np.int64(-1), at
    return value, at


@_inlined
def _put_integer(at, column, row):
    value, at = _integer(at)
    if value < 0:
        return np.int64(-1)
    store64(column + 8 * row, value)
    return at


@_compiled
def _decimal(at, column, row, may_be_negative):
    """Put the quoted decimal at `at` into a row, at scale 12."""
    if load8(at) != _QUOTE:
        return np.int64(-1)
    at += 1
    negative = load8(at) == _MINUS
    if negative:
        if not may_be_negative:
            return np.int64(-1)
        at += 1
    first = at
    whole, at = _digits(at)
    if at == first or at - first > 18:
        return np.int64(-1)
    part = np.int64(0)
    if load8(at) == _POINT:
        first = at + 1
        part, at = _digits(first)
        decimals = at - first
        if decimals == 0 or decimals > MONEY_SCALE:
            return np.int64(-1)
        part *= _POWERS[MONEY_SCALE - decimals]
    if load8(at) != _QUOTE:
        return np.int64(-1)
    place = column + 16 * row
    if whole < _SMALL:
        value = whole * _ONE + part
        if negative:
            value = -value
        store64(place, value)
        store64(place + 8, value >> 63)
    else:
        low, high = multiply_add(np.uint64(whole), np.uint64(_ONE), np.uint64(part))
        if negative:
            low = ~low + _LOWEST
            high = ~high
            if low == _NO_BITS:
                high = high + _LOWEST
        store64(place, low)
        store64(place + 8, high)
    return at + 1


@_inlined
def _optional_decimal(at, column, row, has):
    if _is_null(at):
        return at + 4
    store8(has + row, 1)
    return _decimal(at, column, row, True)


@_inlined
def _two(at):
    """Two digits, or -10,000."""
    high, low = load8(at) - _ZERO, load8(at + 1) - _ZERO
    if high < 0 or high > 9 or low < 0 or low > 9:
        return np.int64(-10_000)
    return high * 10 + low


@_compiled
def _iso_ns(at):
    """(ns since the epoch, place of the closing quote) of a naive ISO time; ns -1."""
    bad = (np.int64(-1), at)
    year = _two(at) * 100 + _two(at + 2)
    month, day = _two(at + 5), _two(at + 8)
    hour, minute, second = _two(at + 11), _two(at + 14), _two(at + 17)
    if load8(at + 4) != _MINUS or load8(at + 7) != _MINUS or load8(at + 10) != _BIG_T:
        return bad
    if load8(at + 13) != _COLON or load8(at + 16) != _COLON:
        return bad
    if year < 2020 or year > 2099 or month < 1 or month > 12 or day < 1 or day > 31:
        return bad
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return bad
    if day > 28 and month == 2 and (day > 29 or year % 4 != 0):
        return bad
    if day == 31 and (month == 4 or month == 6 or month == 9 or month == 11):
        return bad
    # Counting years from March, the lengths of the months before are (153 m + 2) / 5.
    march_year = year - 1 if month <= 2 else year
    march_month = month + 9 if month <= 2 else month - 3
    leaps = march_year // 4 - march_year // 100 + march_year // 400
    days = 365 * march_year + leaps + (153 * march_month + 2) // 5 + day - 719_469
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    at += 19
    fraction = np.int64(0)
    if load8(at) == _POINT:
        first = at + 1
        fraction, at = _digits(first)
        digits = at - first
        if digits == 0 or digits > 9:
            return bad
        fraction *= _POWERS[9 - digits]
    if load8(at) != _QUOTE:
        return bad
    return seconds * 1_000_000_000 + fraction, at


# --- values that are kept as they are written ----------------------------------------------


@_compiled
def _value_end(at):
    """Place behind a text, integer, true, false or null that reads as it is written, or -1."""
    first = load8(at)
    if first == _QUOTE:
        end = _text_end(at + 1)
        return end + 1 if end >= 0 else np.int64(-1)
    if _ZERO <= first <= _NINE or first == _MINUS:
        value, end = _integer(at + 1 if first == _MINUS else at)
        # -0 would be written back as 0; a point or an exponent is the exact reader's.
        if value < 0 or (first == _MINUS and value == 0):
            return np.int64(-1)
        follows = load8(end)
        return end if follows == _COMMA or follows == _CLOSE_OBJECT else np.int64(-1)
    word = load_word(at) & _FOUR_BYTES
    if word == _NULL or word == _TRUE:
        return at + 4
    if word == _FALS and load8(at + 4) == _E:
        return at + 5
    return np.int64(-1)


@_compiled
def _liquidation_end(at):
    """Place behind an object of exactly liquidatedUser, markPx and method, or -1."""
    if not _is_at(at, _LIQUIDATED_USER_KEY):
        return np.int64(-1)
    at += _LIQUIDATED_USER_KEY[2]
    if load8(at) != _QUOTE or load8(at + 1) != _COLON:
        return np.int64(-1)
    at = _value_end(at + 2)
    if at < 0 or not _is_at(at, _MARK_PX_KEY):
        return np.int64(-1)
    at = _value_end(at + _MARK_PX_KEY[2])
    if at < 0 or not _is_at(at, _METHOD_KEY):
        return np.int64(-1)
    at = _value_end(at + _METHOD_KEY[2])
    if at < 0 or load8(at) != _CLOSE_OBJECT:
        return np.int64(-1)
    return at + 1


@_compiled
def _new_key(at, row, known, names, table):
    """Add a key that Vigil does not know, and its value, to the row's `extra`.

    Args:
        at: Behind the key's opening quote.
        known: New keys of this fill so far.
        names: Address of their places and lengths.
    """
    end = _text_end(at)
    if end < 0 or load8(end + 1) != _COLON or known >= _MAX_NEW_KEYS:
        return np.int64(-1)
    for i in range(known):
        same_length = load64(names + 16 * i + 8) == end - at
        if same_length and _equal(load64(names + 16 * i), at, end - at):
            return np.int64(-1)
    store64(names + 16 * known, at)
    store64(names + 16 * known + 8, end - at)
    end = _value_end(end + 2)
    ends = load64(table + _EXTRA_ENDS) + 4 * row
    stop = load32(ends + 4)
    length = end - at + 1
    if end < 0 or stop + length + 2 > load64(table + _EXTRA_ROOM):
        return np.int64(-1)
    extra = load64(table + _EXTRA)
    if known > 0:
        stop -= 1
    store8(extra + stop, _OPEN_OBJECT if known == 0 else _COMMA)
    _copy(at - 1, extra + stop + 1, length)
    store8(extra + stop + 1 + length, _CLOSE_OBJECT)
    store32(ends + 4, stop + length + 2)
    store8(load64(table + _HAS_EXTRA) + row, 1)
    return end


# --- fills, blocks, lines ------------------------------------------------------------------


@_inlined
def _clear(table, row):
    """What a fill need not have."""
    store32(load64(table + _BUILDER) + 4 * row, np.int64(-1))
    store64(load64(table + _TWAP_ID) + 8 * row, np.int64(0))
    for column in (_BUILDER_FEE, _DEPLOYER_FEE, _PRIORITY_GAS):
        store64(load64(table + column) + 16 * row, np.int64(0))
        store64(load64(table + column) + 16 * row + 8, np.int64(0))
    for column in (
        _HAS_TWAP_ID,
        _HAS_BUILDER_FEE,
        _HAS_DEPLOYER_FEE,
        _HAS_PRIORITY_GAS,
        _HAS_CLOID,
        _HAS_LIQUIDATION,
        _HAS_EXTRA,
    ):
        store8(load64(table + column) + row, np.int64(0))
    for column in (_CLOID_ENDS, _LIQUIDATION_ENDS, _EXTRA_ENDS):
        ends = load64(table + column) + 4 * row
        store32(ends + 4, load32(ends))


@_inlined
def _key(at, guess):
    """Which key stands behind the quote before `at`, or -1; the guess is tried first."""
    word = load_word(at)
    for _ in range(_KEY_COUNT):
        if word & _KEY_MASK[guess] == _KEY_HEAD[guess]:
            length = _KEY_LENGTH[guess]
            if length <= 8 or load_word(at + length - 8) == _KEY_TAIL[guess]:
                return guess
        guess += 1
        if guess == _KEY_COUNT:
            guess = np.int64(0)
    return np.int64(-1)


@_compiled
def _event(at, row, table, names):
    """Read `["0x…",{…}]` into one row."""
    bad = np.int64(-1)
    if load8(at) != _OPEN_LIST:
        return bad
    at = _address(at + 1, row, load64(table + _USER), load64(table + _USER_TEXTS))
    if at < 0 or load8(at) != _COMMA or load8(at + 1) != _OPEN_OBJECT:
        return bad
    at += 2
    _clear(table, row)
    seen = np.int64(0)
    new_keys = np.int64(0)
    guess = np.int64(0)
    while True:
        if load8(at) != _QUOTE:
            return bad
        at += 1
        key = _key(at, guess)
        if key < 0:
            at = _new_key(at, row, new_keys, names, table)
            new_keys += 1
        else:
            at += _KEY_LENGTH[key]
            if seen >> key & 1:
                return bad
            seen |= np.int64(1) << key
            guess = key + 1 if key + 1 < _KEY_COUNT else np.int64(0)
            if key == _KEY_PX:
                at = _decimal(at, load64(table + _PX), row, False)
            elif key == _KEY_SZ:
                at = _decimal(at, load64(table + _SZ), row, False)
            elif key == _KEY_START_POSITION:
                at = _decimal(at, load64(table + _START_POSITION), row, True)
            elif key == _KEY_CLOSED_PNL:
                at = _decimal(at, load64(table + _CLOSED_PNL), row, True)
            elif key == _KEY_FEE:
                at = _decimal(at, load64(table + _FEE), row, True)
            elif key == _KEY_COIN:
                at = _text(at, row, load64(table + _COIN), load64(table + _COIN_TEXTS))
            elif key == _KEY_DIR:
                at = _text(at, row, load64(table + _DIR), load64(table + _DIR_TEXTS))
            elif key == _KEY_HASH:
                at = _text(at, row, load64(table + _HASH), load64(table + _HASH_TEXTS))
            elif key == _KEY_FEE_TOKEN:
                at = _text(at, row, load64(table + _FEE_TOKEN), load64(table + _FEE_TOKEN_TEXTS))
            elif key == _KEY_SIDE:
                side = load8(at + 1)
                if load8(at) != _QUOTE or load8(at + 2) != _QUOTE:
                    return bad
                if side != _BIG_A and side != _BIG_B:
                    return bad
                store8(load64(table + _SELLS) + row, np.int64(side == _BIG_A))
                at += 3
            elif key == _KEY_TIME:
                value, at = _integer(at)
                if value < EARLIEST_MS or value >= LATEST_MS:
                    return bad
                store64(load64(table + _TIME) + 8 * row, value)
            elif key == _KEY_OID:
                at = _put_integer(at, load64(table + _OID), row)
            elif key == _KEY_TID:
                at = _put_integer(at, load64(table + _TID), row)
            elif key == _KEY_CROSSED:
                word = load_word(at) & _FOUR_BYTES
                if word == _TRUE:
                    store8(load64(table + _CROSSED) + row, np.int64(1))
                    at += 4
                elif word == _FALS and load8(at + 4) == _E:
                    store8(load64(table + _CROSSED) + row, np.int64(0))
                    at += 5
                else:
                    return bad
            elif key == _KEY_BUILDER_FEE:
                column, has = load64(table + _BUILDER_FEE), load64(table + _HAS_BUILDER_FEE)
                at = _optional_decimal(at, column, row, has)
            elif key == _KEY_DEPLOYER_FEE:
                column, has = load64(table + _DEPLOYER_FEE), load64(table + _HAS_DEPLOYER_FEE)
                at = _optional_decimal(at, column, row, has)
            elif key == _KEY_PRIORITY_GAS:
                column, has = load64(table + _PRIORITY_GAS), load64(table + _HAS_PRIORITY_GAS)
                at = _optional_decimal(at, column, row, has)
            elif _is_null(at):
                at += 4
            elif key == _KEY_TWAP_ID:
                at = _put_integer(at, load64(table + _TWAP_ID), row)
                store8(load64(table + _HAS_TWAP_ID) + row, np.int64(1))
            elif key == _KEY_BUILDER:
                # A builder need not be an address; one that is none goes the slow way.
                at = _address(at, row, load64(table + _BUILDER), load64(table + _BUILDER_TEXTS))
            elif key == _KEY_CLOID:
                if load8(at) != _QUOTE:
                    return bad
                at = _span(
                    at + 1,
                    _text_end(at + 1),
                    row,
                    load64(table + _HAS_CLOID),
                    load64(table + _CLOID),
                    load64(table + _CLOID_ENDS),
                    load64(table + _CLOID_ROOM),
                )
                if at >= 0:
                    at += 1
            else:
                at = _span(
                    at,
                    _liquidation_end(at),
                    row,
                    load64(table + _HAS_LIQUIDATION),
                    load64(table + _LIQUIDATION),
                    load64(table + _LIQUIDATION_ENDS),
                    load64(table + _LIQUIDATION_ROOM),
                )
        if at < 0:
            return bad
        follows = load8(at)
        at += 1
        if follows == _CLOSE_OBJECT:
            break
        if follows != _COMMA:
            return bad
    if seen & _OBLIGATORY != _OBLIGATORY or load8(at) != _CLOSE_LIST:
        return bad
    return at + 1


@_compiled
def _block(at, row, most, table, names):
    """Read a block; (place behind it, rows by now, its number, its ns)."""
    bad = (np.int64(-1), row, np.int64(0), np.int64(0))
    if not _is_at(at, _LOCAL_TIME_KEY):
        return bad
    local, at = _iso_ns(at + _LOCAL_TIME_KEY[2])
    if local < 0 or not _is_at(at, _BLOCK_TIME_KEY):
        return bad
    when, at = _iso_ns(at + _BLOCK_TIME_KEY[2])
    if when < 0 or not _is_at(at + 1, _BLOCK_NUMBER_KEY):
        return bad
    number, at = _integer(at + 1 + _BLOCK_NUMBER_KEY[2])
    if number < 0 or not _is_at(at, _EVENTS_KEY):
        return bad
    at += _EVENTS_KEY[2]
    first = row
    while load8(at) != _CLOSE_LIST:
        if row > first:
            if load8(at) != _COMMA:
                return bad
            at += 1
        if row >= most:
            return bad
        at = _event(at, row, table, names)
        if at < 0:
            return bad
        store64(load64(table + _BLOCK_NUMBER) + 8 * row, number)
        store64(load64(table + _BLOCK_TIME) + 8 * row, when)
        store64(load64(table + _LOCAL_TIME) + 8 * row, local)
        store32(load64(table + _EVENT_INDEX) + 4 * row, row - first)
        row += 1
    if load8(at + 1) != _CLOSE_OBJECT:
        return bad
    return at + 2, row, number, when


@_compiled
def note_block(table, number, ms):
    """Note a block's number, and a break where it does not follow the one before.

    False where there is no room for another break.
    """
    counts = load64(table + _COUNTS)
    if load64(counts + _ANY_BLOCK) == 0:
        store64(counts + _ANY_BLOCK, np.int64(1))
        store64(counts + _FIRST, number)
        store64(counts + _FIRST_MS, ms)
    elif number != load64(counts + _LAST) + 1:
        taken = load64(counts + _BREAK_COUNT)
        if taken >= MAX_BREAKS:
            return False
        place = load64(table + _BREAKS) + 32 * taken
        store64(place, load64(counts + _LAST))
        store64(place + 8, load64(counts + _LAST_MS))
        store64(place + 16, number)
        store64(place + 24, ms)
        store64(counts + _BREAK_COUNT, taken + 1)
    store64(counts + _LAST, number)
    store64(counts + _LAST_MS, ms)
    return True


@_inlined
def _texts_of(table, which):
    return load64(table + _USER_TEXTS + 8 * which)


@_compiled
def read_lines(at, end, row, limit, most, layout, table):
    """Read whole lines into the columns of a row group, from `row` on.

    Args:
        at: Address of the first line, of bytes with `machine_words.PADDING` more behind them.
        end: Address behind the last line's line feed.
        row: Rows that are in the columns already.
        limit: Stop behind the line that reaches so many rows.
        most: Rows there is room for.
        layout: `BLOCKS` or `EVENTS`.
        table: `RowGroup.address`.

    Returns:
        (why, address of the first line that was not taken, rows in the columns).
    """
    names = load64(table + _SCRATCH)
    kept = names + 16 * _MAX_NEW_KEYS
    counts = load64(table + _COUNTS)
    while at < end:
        if row >= limit:
            return FULL, at, row
        if load8(at) == _LINE_FEED:
            store64(counts + _BLANK, load64(counts + _BLANK) + 1)
            store64(counts + _LINES, load64(counts + _LINES) + 1)
            at += 1
            continue
        for i in range(6):
            store64(kept + 8 * i, load64(load64(_texts_of(table, i) + _COUNT)))
        rows = row + 1
        if layout == BLOCKS:
            line_end, rows, number, when = _block(at, row, most, table, names)
            if line_end >= 0 and load8(line_end) != _LINE_FEED:
                line_end = np.int64(-1)
            if line_end >= 0 and not note_block(table, number, when // 1_000_000):
                line_end = np.int64(-1)
            if line_end >= 0 and rows == row:
                store64(counts + _EMPTY, load64(counts + _EMPTY) + 1)
        else:
            line_end = _event(at, row, table, names)
            if line_end >= 0 and load8(line_end) != _LINE_FEED:
                line_end = np.int64(-1)
            store32(load64(table + _EVENT_INDEX) + 4 * row, load64(counts + _LINES))
        if line_end < 0:
            for i in range(6):
                texts = _texts_of(table, i)
                taken, slots = load64(texts + _TAKEN), load64(texts + _SLOTS)
                count = load64(texts + _COUNT)
                for code in range(load64(kept + 8 * i), load64(count)):
                    store32(slots + 4 * load32(taken + 4 * code), np.int64(-1))
                store64(count, load64(kept + 8 * i))
            return SURPRISE, at, row
        store64(counts + _LINES, load64(counts + _LINES) + 1)
        row = rows
        at = line_end + 1
    return END, at, row
