"""What the compiled walks over a day's fills have in common.

Fills are walked trader by trader, each trader's in the order of execution, so that all that is
known of one lies together: a block of memory for each coin, which serves the next trader again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numba import njit

from vigil_core.artemis.text_codes import Codes
from vigil_core.fills.machine_words import load64, store64
from vigil_core.fills.wide_integers import (
    NARROW_BYTES,
    NULL_INT,
    NULL_WORD,
    WIDE_BYTES,
    less,
    load_narrow,
    load_wide,
    magnitude,
    minus,
    plus,
    store_wide,
    times,
    wide,
    word,
)

Numbers = np.ndarray[Any, np.dtype[Any]]

compiled: Any = njit(cache=True, nogil=True)
inlined: Any = njit(cache=True, nogil=True, inline="always")
# Python knows no numbers of 320 bits: what takes or gives them is for compiled callers.
inner: Any = njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)

_STEP = 10**4
"""1e-8 at scale 12."""
_WORD_REST = 2**64 % _STEP
BUYS, PERP, MAKER, TAKER, LIQUIDATION, VICTIM, TWAP, MAKES_PRICE = (1 << n for n in range(8))
"""Bits of a fill's `flags`. Neither maker nor taker: no order's doing."""

WORDS = WIDE_BYTES // 8
"""Of a wide money, in arrays."""

ONE = 10**12
"""From scale 12 to scale 24."""


@dataclass(frozen=True)
class Walk:
    """Rows of fills by trader, and where those of each begin.

    Codes of traders and coins are places among all of them, sorted, of the fills and of what was
    carried into the day.
    """

    traders: Codes
    coins: Codes
    order: Numbers
    first: Numbers
    """One more than there are traders."""
    carried_first: Numbers
    """Likewise of what was carried, whose rows are by trader already."""
    carried_order: Numbers
    fills: int

    @classmethod
    def of(cls, fills: dict[str, Any], carried: dict[str, Any]) -> "Walk":
        """Columns `user_address` and `coin` of both; of fills those that say their order too."""
        traders = Codes.of(fills["user_address"], carried["user_address"])
        coins = Codes.of(fills["coin"], carried["coin"])
        count = len(fills["user_address"])
        order, first = _by_trader(traders.codes[:count], len(traders.texts), _in_order(fills))
        carried_order, carried_first = _by_trader(
            traders.codes[count:], len(traders.texts), np.arange(len(traders.codes) - count)
        )
        return cls(traders, coins, order, first, carried_first, carried_order, count)

    @property
    def coin_of_fill(self) -> Numbers:
        """Codes by row of the fills."""
        return self.coins.codes[: self.fills]

    @property
    def coin_of_carried(self) -> Numbers:
        """Codes by row of what was carried."""
        return self.coins.codes[self.fills :]


def _in_order(fills: dict[str, Any]) -> Numbers:
    """Rows in the order of execution, which is nearly always the one that they come in."""
    keys = [fills[name] for name in ("event_index", "block_number", "time")]
    later = np.zeros(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        later = (key[1:] < key[:-1]) | ((key[1:] == key[:-1]) & later)
    return np.lexsort(keys) if later.any() else np.arange(len(keys[0]))


def _by_trader(traders: Numbers, count: int, rows: Numbers) -> tuple[Numbers, Numbers]:
    codes = traders[rows]
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=count), out=first[1:])
    return rows[np.argsort(codes, kind="stable")], first


def texts(codes: Numbers, of: pl.Series) -> Any:
    """A column of texts, by their codes."""
    strings = of.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), strings)


def whole_numbers(values: Numbers) -> Any:
    """A column of 64-bit integers."""
    return pa.array(values, mask=values == NULL_INT)


def money(values: Numbers) -> Any:
    """A column of wide moneys, five words a row."""
    is_known = values[:, -1] != NULL_WORD
    bits = None if is_known.all() else pa.py_buffer(np.packbits(is_known, bitorder="little"))
    buffers = [bits, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.binary(WIDE_BYTES), len(values), buffers)


@inlined
def is_null(address):
    """Whether a narrow money is NULL."""
    return load64(address + NARROW_BYTES - 8) == NULL_WORD and load64(address) == 0


@inlined
def is_null_wide(address):
    """Whether a wide money is NULL."""
    return load64(address + WIDE_BYTES - 8) == NULL_WORD


@inlined
def put_null(address):
    """Make a wide money NULL."""
    store_wide(address, wide(0))
    store64(address + WIDE_BYTES - 8, np.int64(NULL_WORD))


@inlined
def add_to(address, value):
    """Add to a wide money."""
    store_wide(address, plus(load_wide(address), value))


@inlined
def add_at_12(address, value):
    """Add what has scale 12 to a wide money."""
    store_wide(address, plus(load_wide(address), times(value, wide(ONE))))


@inner
def to_8_places(address, added):
    """A narrow money and another number at scale 12, rounded half away from 0 at 1e-8."""
    value = plus(load_narrow(address), added)
    size = magnitude(value)
    step, carry = np.uint64(_STEP), np.uint64(_WORD_REST)
    rest = word(size, 0) % step
    if word(size, 1) | word(size, 2):
        # 192 bits hold any position there is.
        upper = (word(size, 2) % step * carry + word(size, 1) % step) % step
        rest = (upper * carry + rest) % step
    if rest == np.uint64(0):
        return value
    rounded = minus(size, wide(np.int64(rest)))
    if rest >= step // np.uint64(2):
        rounded = plus(rounded, wide(_STEP))
    return times(rounded, wide(-1)) if less(value, wide(0)) else rounded
