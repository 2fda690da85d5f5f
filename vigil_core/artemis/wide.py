"""Integers of 128 bits for compiled code: pairs of their low and their high 64 bits.

Sums wrap around at 128 bits, as those of Polars do; who adds sees to it that they fit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_WORD, _WIDE = ir.IntType(64), ir.IntType(128)
_PAIR = types.UniTuple(types.int64, 2)

ZERO = (np.int64(0), np.int64(0))


def _joined(builder: Any, pair: Any) -> Any:
    low, high = (builder.extract_value(pair, place) for place in (0, 1))
    shifted = builder.shl(builder.zext(high, _WIDE), ir.Constant(_WIDE, 64))
    return builder.or_(shifted, builder.zext(low, _WIDE))


def _parted(context: Any, builder: Any, value: Any) -> Any:
    high = builder.lshr(value, ir.Constant(_WIDE, 64))
    words = (builder.trunc(value, _WORD), builder.trunc(high, _WORD))
    return context.make_tuple(builder, _PAIR, words)


def _operation(first: Any, second: Any, compute: Callable[[Any, Any, Any], Any]) -> Any:
    """Code for two operands, each a pair or a signed word."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        operands = (
            _joined(builder, value) if type_ == _PAIR else builder.sext(value, _WIDE)
            for value, type_ in zip(arguments, (first, second), strict=True)
        )
        return _parted(context, builder, compute(builder, *operands))

    own = (_PAIR if type_ == _PAIR else types.int64 for type_ in (first, second))
    return _PAIR(*own), generate


def _times(_context: Any, first: Any, second: Any) -> Any:
    return _operation(first, second, lambda builder, a, b: builder.mul(a, b))


def _plus(_context: Any, first: Any, second: Any) -> Any:
    return _operation(first, second, lambda builder, a, b: builder.add(a, b))


def _minus(_context: Any, first: Any, second: Any) -> Any:
    return _operation(first, second, lambda builder, a, b: builder.sub(a, b))


times: Any = intrinsic(_times)
"""The product of two pairs or words, in any combination."""
plus: Any = intrinsic(_plus)
minus: Any = intrinsic(_minus)


def _is_less(first: Any, second: Any) -> Any:
    if first[1] != second[1]:
        return first[1] < second[1]
    return np.uint64(first[0]) < np.uint64(second[0])


is_less: Any = njit(cache=True, nogil=True)(_is_less)
"""Whether one pair is below another."""


def _as_float(value: Any) -> Any:
    return np.float64(value[1]) * 18446744073709551616.0 + np.float64(np.uint64(value[0]))


as_float: Any = njit(cache=True, nogil=True)(_as_float)
"""The same number, give or take 4096 or one part in 1e15."""


def _divided(value: Any, by: Any) -> Any:
    one, places = np.uint64(1), np.uint64(63)
    low, divisor = np.uint64(value[0]), np.uint64(by)
    high = np.uint64(value[1] // by)
    rest = np.uint64(value[1] % by)
    for _ in range(64):
        rest = rest << one | low >> places
        low = low << one
        if rest >= divisor:
            rest -= divisor
            low |= one
    return (np.int64(low), np.int64(high)), np.int64(rest)


divided: Any = njit(cache=True, nogil=True)(_divided)
"""Quotient (a pair, rounded down) and rest of a pair by a word, neither below zero."""


def _rounded(value: Any, by: Any) -> Any:
    is_negative = value[1] < 0
    if is_negative:
        value = minus(0, value)
    quotient, rest = divided(value, by)
    if rest > by - rest or (rest == by - rest and quotient[0] & 1):
        quotient = plus(quotient, 1)
    if is_negative:
        quotient = minus(0, quotient)
    return quotient


rounded: Any = njit(cache=True, nogil=True)(_rounded)
"""A pair by a word above zero, to the nearest, and half to even."""
