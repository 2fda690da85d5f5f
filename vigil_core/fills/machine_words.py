"""Memory by address, eight bytes at a time, and products of 128 bits.

For compiled code only. An array handed from one compiled function to another is counted as a
reference, by an atomic instruction; in a loop over bytes that costs more than the work. An
address costs nothing, and whoever made it keeps the array alive.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

PADDING = 256
"""Bytes behind a buffer that a word may reach into."""

_WORD, _WIDE = ir.IntType(64), ir.IntType(128)


def _place(builder: Any, address: Any, bits: int) -> Any:
    return builder.inttoptr(address, ir.IntType(bits).as_pointer())


@intrinsic
def load8(_context: Any, address: Any) -> Any:
    """One byte, 0 to 255."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.load(_place(builder, arguments[0], 8)), _WORD)

    return types.int64(types.int64), generate


@intrinsic
def load32(_context: Any, address: Any) -> Any:
    """A signed 32-bit integer."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.load(_place(builder, arguments[0], 32), align=1), _WORD)

    return types.int64(types.int64), generate


@intrinsic
def load64(_context: Any, address: Any) -> Any:
    """A signed 64-bit integer."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments[0], 64), align=1)

    return types.int64(types.int64), generate


@intrinsic
def load_word(_context: Any, address: Any) -> Any:
    """Eight bytes as they lie there, the first one lowest."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments[0], 64), align=1)

    return types.uint64(types.int64), generate


def _store(bits: int) -> Any:
    def store(_context: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            word = arguments[1]
            if bits < 64:
                word = builder.trunc(word, ir.IntType(bits))
            builder.store(word, _place(builder, arguments[0], bits), align=1)
            return context.get_dummy_value()

        integer = types.uint64 if value == types.uint64 else types.int64
        return types.void(types.int64, integer), generate

    return store


@intrinsic
def store8(context: Any, address: Any, value: Any) -> Any:
    """Put the lowest byte of `value`."""
    return _store(8)(context, address, value)


@intrinsic
def store32(context: Any, address: Any, value: Any) -> Any:
    """Put the lowest four bytes of `value`."""
    return _store(32)(context, address, value)


@intrinsic
def store64(context: Any, address: Any, value: Any) -> Any:
    """Put eight bytes."""
    return _store(64)(context, address, value)


@intrinsic
def trailing_zeros(_context: Any, word: Any) -> Any:
    """Zero bits below the lowest set one; 64 for no bit at all."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def swap_bytes(_context: Any, word: Any) -> Any:
    """The eight bytes in the other order."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def multiply_add(_context: Any, factor: Any, by: Any, plus: Any) -> Any:
    """`factor * by + plus` as the low and the high 64 bits of an unsigned 128-bit number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, c = (builder.zext(value, _WIDE) for value in arguments)
        total = builder.add(builder.mul(a, b), c)
        high = builder.lshr(total, ir.Constant(_WIDE, 64))
        words = (builder.trunc(total, _WORD), builder.trunc(high, _WORD))
        return context.make_tuple(builder, signature.return_type, words)

    u64 = types.uint64
    return types.UniTuple(u64, 2)(u64, u64, u64), generate
