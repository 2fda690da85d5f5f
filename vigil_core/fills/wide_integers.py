"""Whole numbers of 320 bits, for compiled code: money that no sum or product can overflow.

A money of the lake has 26 digits before the point and 12 behind it: 128 bits at scale 12. Products
of two have scale 24. One of them over a day in ms, summed over all fills of the day, stays below
1e92: 306 bits. So nothing is checked, and nothing rounds.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDE_BYTES = 40
WIDE_SCALE = 24
"""Decimals of a wide number, wherever it lies in memory."""

NARROW_BYTES = 16

NULL_INT = 2**63 - 1
"""Stands for NULL among 64-bit integers: the largest, as Postgres sorts it."""
NULL_WORD = -(2**63)
"""The highest word of a money that is NULL; the others are 0."""

_WIDE_TYPE: Any = types.Integer("int320", 8 * WIDE_BYTES, signed=True)
_WIDE, _NARROW = ir.IntType(8 * WIDE_BYTES), ir.IntType(8 * NARROW_BYTES)


def _place(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def load_wide(_context: Any, address: Any) -> Any:
    """The number at an address, lowest byte first."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments[0], _WIDE), align=1)

    return _WIDE_TYPE(types.int64), generate


@intrinsic
def load_narrow(_context: Any, address: Any) -> Any:
    """A number of 128 bits, as Arrow keeps a decimal."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.load(_place(builder, arguments[0], _NARROW), align=1), _WIDE)

    return _WIDE_TYPE(types.int64), generate


@intrinsic
def store_wide(_context: Any, address: Any, value: Any) -> Any:
    """Put a number, lowest byte first."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], _place(builder, arguments[0], _WIDE), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, _WIDE_TYPE), generate


@intrinsic
def wide(_context: Any, value: Any) -> Any:
    """A 64-bit number, widened."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.sext(arguments[0], _WIDE)

    return _WIDE_TYPE(types.int64), generate


def _two(operation: str) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return getattr(builder, operation)(*arguments)

    return _WIDE_TYPE(_WIDE_TYPE, _WIDE_TYPE), generate


@intrinsic
def plus(_context: Any, one: Any, other: Any) -> Any:
    """The sum."""
    return _two("add")


@intrinsic
def minus(_context: Any, one: Any, other: Any) -> Any:
    """The difference."""
    return _two("sub")


@intrinsic
def times(_context: Any, one: Any, other: Any) -> Any:
    """The product."""
    return _two("mul")


@intrinsic
def quotient(_context: Any, one: Any, other: Any) -> Any:
    """Cut off towards 0."""
    return _two("sdiv")


def _compared(sign: str) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.icmp_signed(sign, *arguments)

    return types.boolean(_WIDE_TYPE, _WIDE_TYPE), generate


@intrinsic
def equal(_context: Any, one: Any, other: Any) -> Any:
    """Whether they are."""
    return _compared("==")


@intrinsic
def less(_context: Any, one: Any, other: Any) -> Any:
    """Whether the first one is."""
    return _compared("<")


@intrinsic
def magnitude(_context: Any, value: Any) -> Any:
    """Without its sign."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        zero = ir.Constant(_WIDE, 0)
        is_negative = builder.icmp_signed("<", arguments[0], zero)
        return builder.select(is_negative, builder.sub(zero, arguments[0]), arguments[0])

    return _WIDE_TYPE(_WIDE_TYPE), generate


@intrinsic
def word(_context: Any, value: Any, number: Any) -> Any:
    """64 of its bits, counted from the lowest word."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        shift = builder.mul(builder.zext(arguments[1], _WIDE), ir.Constant(_WIDE, 64))
        return builder.trunc(builder.lshr(arguments[0], shift), ir.IntType(64))

    return types.uint64(_WIDE_TYPE, types.int64), generate
