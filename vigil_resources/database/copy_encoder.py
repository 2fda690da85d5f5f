"""Arrow tables → the bytes of Postgres' binary COPY, in one compiled pass.

A NUMERIC gets the shortest scale that holds it (0.135, not 0.135000000000), as its text would.
Source of the formats: the PostgreSQL manual on COPY, and `numeric_recv`, `jsonb_recv`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from vigil_core.fills.machine_words import (
    load8,
    load32,
    load64,
    load_word,
    store8,
    store32,
    store64,
    swap_bytes,
)
from vigil_core.fills.wide_integers import WIDE_BYTES, WIDE_SCALE

WIDE = pa.binary(WIDE_BYTES)
"""A NUMERIC of a sum: a whole number of 320 bits at scale 24, lowest byte first."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_INT8, _INT4, _BOOL, _TEXT, _CODED, _JSONB, _NUMERIC, _WIDE = range(8)
_MOST_GROUPS, _MOST_WIDE_GROUPS = 10, 26
_SIZES = {
    _INT8: 8,
    _INT4: 4,
    _BOOL: 1,
    _NUMERIC: 8 + 2 * _MOST_GROUPS,
    _WIDE: 8 + 2 * _MOST_WIDE_GROUPS,
}
_PIECE_BYTES = 1 << 20

# Of a column, as the compiled code sees it: words at one address.
_KIND, _VALUES, _VALIDITY, _STARTS, _CONTENT = range(0, 40, 8)
_COLUMN_BYTES = 40

_NO_BITS = np.uint64(0)
_LOWEST = np.uint64(1)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_BASE = np.uint64(10_000)
_FRACTION_GROUPS, _WIDE_FRACTION_GROUPS = 3, WIDE_SCALE // 4
"""Scale 12 in groups of four digits, the base in which Postgres keeps a NUMERIC."""
_TWO_GROUPS = 100_000_000
_NEGATIVE = 0x4000


class CopyEncoder:
    """Encodes tables of one schema; its buffer serves all of them. Not for two threads.

    Args:
        json_columns: Text columns that are `jsonb` in the table.
    """

    def __init__(self, json_columns: frozenset[str]) -> None:
        self._json = json_columns
        self._buffer = np.empty(0, np.uint8)

    def pieces(self, table: pa.Table) -> Iterator[bytes]:
        """The rows of a table, without header and trailer, some megabytes at a time.

        Columns may be int64, int32, bool, decimal128(38, 12), `WIDE`, and string, plain or as
        codes of a dictionary.
        """
        arrays = [_whole(column) for column in table.columns]
        columns = np.zeros((len(arrays), _COLUMN_BYTES // 8), np.int64)
        room = 2 * table.num_rows
        kept: list[Any] = []
        for words, name, array in zip(columns, table.column_names, arrays, strict=True):
            room += self._describe(words, array, name in self._json, kept)
        if room > self._buffer.size:
            self._buffer = np.empty(room + 64, np.uint8)
        halves = np.empty(WIDE_BYTES, np.uint8)
        end = _encode(
            columns.ctypes.data,
            len(arrays),
            table.num_rows,
            self._buffer.ctypes.data,
            halves.ctypes.data,
        )
        view = self._buffer.data[: end - self._buffer.ctypes.data]
        for start in range(0, len(view), _PIECE_BYTES):
            yield bytes(view[start : start + _PIECE_BYTES])
        del kept

    @staticmethod
    def _describe(words: np.ndarray, array: Any, is_json: bool, kept: list[Any]) -> int:
        """Fill in a column's words; gives the most bytes that its fields can take."""
        rows = len(array)
        buffers = array.buffers()
        if array.null_count:
            words[_VALIDITY // 8] = buffers[0].address
        if pa.types.is_dictionary(array.type):
            texts = array.dictionary
            codes = array.indices
            kept += [codes, texts]
            words[_KIND // 8] = _CODED
            words[_VALUES // 8] = codes.buffers()[1].address
            _, starts, content = texts.buffers()
            words[_STARTS // 8] = starts.address
            words[_CONTENT // 8] = content.address if content is not None else 0
            longest = np.frombuffer(starts, np.int32)[: len(texts) + 1]
            return rows * (4 + (int(np.diff(longest).max()) if len(texts) else 0))
        if pa.types.is_string(array.type):
            words[_KIND // 8] = _JSONB if is_json else _TEXT
            words[_STARTS // 8] = buffers[1].address
            words[_CONTENT // 8] = buffers[2].address if buffers[2] is not None else 0
            ends = np.frombuffer(buffers[1], np.int32)
            return rows * 5 + int(ends[rows]) - int(ends[0])
        kind = {
            pa.int64(): _INT8,
            pa.int32(): _INT4,
            pa.bool_(): _BOOL,
            pa.decimal128(38, 12): _NUMERIC,
            WIDE: _WIDE,
        }[array.type]
        words[_KIND // 8] = kind
        words[_VALUES // 8] = buffers[1].address
        return rows * (4 + _SIZES[kind])


def _whole(column: Any) -> Any:
    """One array with all its rows, beginning at its buffers' beginning."""
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if array.offset:
        # Taking is a copy; slicing and concatenating one array are none.
        array = array.take(pa.array(np.arange(len(array))))
    return array


_compiled: Any = njit(cache=True, nogil=True)
_inlined: Any = njit(cache=True, nogil=True, inline="always")


@_inlined
def _put16(at, value):
    store8(at, value >> 8)
    store8(at + 1, value)


@_inlined
def _put32(at, value):
    # The upper half of the swapped word holds the lower half's bytes.
    store32(at, np.int64(swap_bytes(np.uint64(value)) >> _HALF))


@_compiled
def _copy_exactly(source, target, length):
    """Reads nothing behind the source."""
    i = np.int64(0)
    while i + 8 <= length:
        store64(target + i, load64(source + i))
        i += 8
    while i < length:
        store8(target + i, load8(source + i))
        i += 1


@_compiled
def _numeric(source, at):
    """Write the NUMERIC of a 128-bit integer at scale 12; the place behind it.

    Length, then count of digit groups, weight of the first, sign, scale, and the groups.
    """
    low, high = load_word(source), load_word(source + 8)
    sign = np.int64(0)
    if np.int64(high) < 0:
        sign = np.int64(_NEGATIVE)
        low = ~low + _LOWEST
        high = ~high
        if low == _NO_BITS:
            high = high + _LOWEST
    if low == _NO_BITS and high == _NO_BITS:
        _put32(at, np.int64(8))
        store64(at + 4, np.int64(0))
        return at + 12
    # Groups from the last decimals on, written backwards from where the longest would end.
    end = at + 12 + 2 * _MOST_GROUPS
    place = end
    while high != _NO_BITS:
        rest = high % _BASE
        high = high // _BASE
        upper = (rest << _HALF) | (low >> _HALF)
        lower = ((upper % _BASE) << _HALF) | (low & _LOW_HALF)
        low = ((upper // _BASE) << _HALF) | (lower // _BASE)
        place -= 2
        _put16(place, np.int64(lower % _BASE))
    while low != _NO_BITS:
        place -= 2
        _put16(place, np.int64(low % _BASE))
        low = low // _BASE
    return _finished(at, sign, place, end, _FRACTION_GROUPS)


@_compiled
def _wide_numeric(source, at, halves):
    """The same of a number of 320 bits at scale 24; `halves` is room for as many bits."""
    is_negative = load64(source + WIDE_BYTES - 8) < 0
    carry = _LOWEST
    for i in range(0, WIDE_BYTES, 8):
        word = load_word(source + i)
        if is_negative:
            word = ~word + carry
            carry = _LOWEST if carry == _LOWEST and word == _NO_BITS else _NO_BITS
        store64(halves + i, word)
    top = WIDE_BYTES - 4
    while top >= 0 and load32(halves + top) == 0:
        top -= 4
    if top < 0:
        _put32(at, np.int64(8))
        store64(at + 4, np.int64(0))
        return at + 12
    end = at + 12 + 2 * _MOST_WIDE_GROUPS
    place = end
    while top >= 0:
        rest = np.int64(0)
        for i in range(top, -4, -4):
            rest = rest << 32 | (load32(halves + i) & 0xFFFFFFFF)
            store32(halves + i, rest // _TWO_GROUPS)
            rest = rest % _TWO_GROUPS
        while top >= 0 and load32(halves + top) == 0:
            top -= 4
        place -= 4
        _put16(place + 2, rest % 10_000)
        _put16(place, rest // 10_000)
    while load8(place) == 0 and load8(place + 1) == 0:
        place += 2
    sign = np.int64(_NEGATIVE) if is_negative else np.int64(0)
    return _finished(at, sign, place, end, _WIDE_FRACTION_GROUPS)


@_compiled
def _finished(at, sign, place, end, fraction_groups):
    """The head of a NUMERIC and, right behind it, the groups that lie from `place` to `end`."""
    groups = at + 12
    count = (end - place) >> 1
    weight = count - 1 - fraction_groups
    # Empty groups at the end are not written, and the scale ends with the last digit.
    last = end - 2
    while load8(last) == 0 and load8(last + 1) == 0:
        last -= 2
        count -= 1
    scale = 4 * (count - 1 - weight)
    if scale > 0:
        group = load8(last) << 8 | load8(last + 1)
        while group % 10 == 0:
            group //= 10
            scale -= 1
    else:
        scale = np.int64(0)
    _put32(at, 8 + 2 * count)
    _put16(at + 4, count)
    _put16(at + 6, weight)
    _put16(at + 8, sign)
    _put16(at + 10, scale)
    for i in range(0, 2 * count, 2):
        store8(groups + i, load8(place + i))
        store8(groups + i + 1, load8(place + i + 1))
    return groups + 2 * count


@_inlined
def _text(source, length, at):
    _put32(at, length)
    _copy_exactly(source, at + 4, length)
    return at + 4 + length


@_compiled
def _encode(columns, count, rows, at, halves):
    """Write all rows from `at` on; the place behind them."""
    for row in range(rows):
        _put16(at, count)
        at += 2
        for i in range(count):
            column = columns + _COLUMN_BYTES * i
            validity = load64(column + _VALIDITY)
            if validity != 0 and (load8(validity + (row >> 3)) >> (row & 7)) & 1 == 0:
                store32(at, np.int64(-1))
                at += 4
                continue
            kind = load64(column + _KIND)
            values = load64(column + _VALUES)
            if kind == _NUMERIC:
                at = _numeric(values + 16 * row, at)
            elif kind == _WIDE:
                at = _wide_numeric(values + WIDE_BYTES * row, at, halves)
            elif kind == _INT8:
                _put32(at, np.int64(8))
                store64(at + 4, swap_bytes(load_word(values + 8 * row)))
                at += 12
            elif kind == _CODED:
                starts = load64(column + _STARTS) + 4 * load32(values + 4 * row)
                start = load32(starts)
                at = _text(load64(column + _CONTENT) + start, load32(starts + 4) - start, at)
            elif kind == _TEXT:
                starts = load64(column + _STARTS) + 4 * row
                start = load32(starts)
                at = _text(load64(column + _CONTENT) + start, load32(starts + 4) - start, at)
            elif kind == _JSONB:
                starts = load64(column + _STARTS) + 4 * row
                start = load32(starts)
                length = load32(starts + 4) - start
                _put32(at, length + 1)
                # The version of the format.
                store8(at + 4, np.int64(1))
                _copy_exactly(load64(column + _CONTENT) + start, at + 5, length)
                at += 5 + length
            elif kind == _BOOL:
                _put32(at, np.int64(1))
                store8(at + 4, (load8(values + (row >> 3)) >> (row & 7)) & 1)
                at += 5
            else:
                _put32(at, np.int64(4))
                _put32(at + 4, load32(values + 4 * row))
                at += 8
    return at
