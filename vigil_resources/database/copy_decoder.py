"""The bytes of Postgres' binary COPY → columns of numbers and texts, in one compiled pass.

The reverse of `copy_encoder`, for compiled code that walks over rows: NULL is a number that no
value is. Source of the formats: the PostgreSQL manual on COPY, and `numeric_send`.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numba import njit

from vigil_core.errors import VigilError
from vigil_core.fills.machine_words import (
    load8,
    load32,
    load64,
    load_word,
    multiply_add,
    store8,
    store32,
    store64,
    swap_bytes,
)
from vigil_core.fills.wide_integers import (
    NARROW_BYTES,
    NULL_INT,
    NULL_WORD,
    WIDE_BYTES,
    plus,
    store_wide,
    times,
    wide,
)
from vigil_resources.database.copy_encoder import HEADER

Columns = dict[str, Any]
"""By name: an array, or a series of texts."""


class Kind(IntEnum):
    """What a column becomes."""

    INT = 0
    """`bigint` or `integer` → int64; NULL is the largest, as Postgres sorts it."""
    TEXT = 1
    """`text` → a series of texts, without NULL."""
    NARROW = 2
    """`numeric` at scale 12 → rows of the low and the high half of 128 bits, as decimals of Arrow;
    NULL is the lowest number."""
    POSITION = 3
    """`numeric` at scale 12 → rows of five words, `wide_integers`: twice as long as what a fill
    tells. NULL is the lowest number."""
    WIDE = 4
    """The same at scale 24: a sum."""


_WIDTHS = {
    Kind.INT: 8,
    Kind.NARROW: NARROW_BYTES,
    Kind.POSITION: WIDE_BYTES,
    Kind.WIDE: WIDE_BYTES,
}
_INT, _TEXT, _NARROW, _POSITION, _WIDE = (int(kind) for kind in Kind)
_ROWS = 1 << 16
"""Decoded at a time: the server sends one message for each."""

# Of a column, as the compiled code sees it: words at one address.
_KIND, _VALUES, _ENDS = 0, 8, 16
_COLUMN_BYTES = 24

_NEGATIVE, _POSITIVE = 0x4000, 0
_BASE = np.uint64(10_000)
_NO_BITS, _LOWEST = np.uint64(0), np.uint64(1)
_NARROW_GROUPS, _WIDE_GROUPS = 3, 6
"""Behind the point, of four digits each."""
_MOST_NARROW_WEIGHT, _MOST_FIRST = 6, 99
"""26 digits before the point."""
_MOST_WIDE_WEIGHT = 16


class NumberTooLong(VigilError):
    """A NUMERIC has more digits than a column of its kind; nothing was cut off."""

    def __init__(self, column: str) -> None:
        super().__init__(
            f"expected numbers of at most 26.12 digits (sums: 64.24) in {column}, found another one"
        )


def decoded(pieces: Iterable[Any], kinds: Mapping[str, Kind]) -> Columns:
    """All rows of `COPY … TO STDOUT (FORMAT binary)`, of which each piece holds whole ones.

    Raises:
        NumberTooLong: a NUMERIC does not fit, or is not finite.
    """
    batches = [_decoded_rows(*batch, kinds) for batch in _batches(pieces)]
    return {name: _joined([batch[name] for batch in batches], kinds[name]) for name in kinds}


def _batches(pieces: Iterable[Any]) -> Iterator[tuple[bytes, int]]:
    """Bytes, and the most rows that they can hold."""
    waiting: list[Any] = []
    skip = len(HEADER)
    for piece in pieces:
        # A copy: bytes are nothing that the collector of cycles would look through.
        waiting.append(bytes(piece))
        if len(waiting) == _ROWS:
            yield b"".join(waiting)[skip:], len(waiting)
            waiting, skip = [], 0
    yield b"".join(waiting)[skip:], len(waiting)


def _decoded_rows(content: bytes, most: int, kinds: Mapping[str, Kind]) -> Columns:
    source = np.frombuffer(content, np.uint8)
    described = np.zeros((len(kinds), _COLUMN_BYTES // 8), np.int64)
    values: dict[str, Any] = {}
    ends: dict[str, Any] = {}
    for words, (name, kind) in zip(described, kinds.items(), strict=True):
        width = len(content) if kind is Kind.TEXT else most * _WIDTHS[kind]
        values[name] = np.empty(width, np.uint8)
        words[_KIND // 8], words[_VALUES // 8] = kind, values[name].ctypes.data
        if kind is Kind.TEXT:
            ends[name] = np.zeros(most + 1, np.int32)
            words[_ENDS // 8] = ends[name].ctypes.data
    rows = _decode(source.ctypes.data, len(content), described.ctypes.data, len(kinds))
    if rows < 0:
        raise NumberTooLong(list(kinds)[-1 - rows])
    found: Columns = {}
    for name, kind in kinds.items():
        found[name] = (
            _texts(values[name], ends[name][: rows + 1])
            if kind is Kind.TEXT
            else values[name][: rows * _WIDTHS[kind]].copy()
        )
    return found


def _texts(content: Any, ends: Any) -> Any:
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(content[: ends[-1]].copy())]
    return pa.Array.from_buffers(pa.string(), len(ends) - 1, buffers)


def _joined(parts: list[Any], kind: Kind) -> Any:
    if kind is Kind.TEXT:
        return pl.Series(pl.from_arrow(pa.chunked_array(parts, pa.string())))
    joined = np.concatenate(parts)
    words = joined.view(np.int64)
    return words if kind is Kind.INT else words.reshape(-1, _WIDTHS[kind] // 8)


_compiled: Any = njit(cache=True, nogil=True)
_inlined: Any = njit(cache=True, nogil=True, inline="always")


@_inlined
def _get16(at):
    return load8(at) << 8 | load8(at + 1)


@_inlined
def _get32(at):
    value = _get16(at) << 16 | _get16(at + 2)
    return value - (value >> 31 << 32)


@_compiled
def _narrow(at, target):
    """Read a NUMERIC: digit groups, weight of the first, sign, scale, and the groups."""
    groups, weight, sign = _get16(at), _get16(at + 2), _get16(at + 4)
    weight -= weight >> 15 << 16
    if groups > weight + 1 + _NARROW_GROUPS or (sign != _NEGATIVE and sign != _POSITIVE):
        return False
    low, high = _NO_BITS, _NO_BITS
    if groups > 0:
        if weight > _MOST_NARROW_WEIGHT or (
            weight == _MOST_NARROW_WEIGHT and _get16(at + 8) > _MOST_FIRST
        ):
            return False
        for i in range(weight + 1 + _NARROW_GROUPS):
            group = _NO_BITS
            if i < groups:
                group = np.uint64(_get16(at + 8 + 2 * i))
            low, carry = multiply_add(low, _BASE, group)
            high = high * _BASE + carry
    if sign == _NEGATIVE:
        low = ~low + _LOWEST
        high = ~high
        if low == _NO_BITS:
            high = high + _LOWEST
    store64(target, low)
    store64(target + 8, high)
    return True


@_compiled
def _wide(at, target, behind):
    groups, weight, sign = _get16(at), _get16(at + 2), _get16(at + 4)
    weight -= weight >> 15 << 16
    if (
        groups > weight + 1 + behind
        or weight > _MOST_WIDE_WEIGHT
        or (sign != _NEGATIVE and sign != _POSITIVE)
    ):
        return False
    value, base = wide(0), wide(10_000)
    if groups > 0:
        for i in range(weight + 1 + behind):
            value = times(value, base)
            if i < groups:
                value = plus(value, wide(_get16(at + 8 + 2 * i)))
    store_wide(target, times(value, wide(-1)) if sign == _NEGATIVE else value)
    return True


@_inlined
def _put_null(kind, values, row):
    if kind == _INT:
        store64(values + 8 * row, np.int64(NULL_INT))
    else:
        words = NARROW_BYTES // 8 if kind == _NARROW else WIDE_BYTES // 8
        start = values + 8 * words * row
        for i in range(words - 1):
            store64(start + 8 * i, np.int64(0))
        store64(start + 8 * words - 8, np.int64(NULL_WORD))


@_compiled
def _decode(source, length, columns, count):
    """Gives the rows, or -1 less the number of a column with a number that does not fit."""
    at, end = source, source + length
    row = np.int64(0)
    # A row begins with the number of its fields; -1 ends all.
    while at + 2 <= end and load8(at) != 0xFF:
        at += 2
        for i in range(count):
            column = columns + _COLUMN_BYTES * i
            kind, values = load64(column + _KIND), load64(column + _VALUES)
            size = _get32(at)
            at += 4
            if size < 0:
                if kind == _TEXT:
                    return -1 - i
                _put_null(kind, values, row)
                continue
            if kind == _NARROW:
                if not _narrow(at, values + NARROW_BYTES * row):
                    return -1 - i
            elif kind == _INT:
                value = np.int64(_get32(at))
                if size == 8:
                    value = np.int64(swap_bytes(load_word(at)))
                store64(values + 8 * row, value)
            elif kind == _TEXT:
                ends = load64(column + _ENDS) + 4 * row
                place = load32(ends)
                for k in range(size):
                    store8(values + place + k, load8(at + k))
                store32(ends + 4, place + size)
            else:
                behind = _NARROW_GROUPS if kind == _POSITION else _WIDE_GROUPS
                if not _wide(at, values + WIDE_BYTES * row, behind):
                    return -1 - i
            at += size
        row += 1
    return row
