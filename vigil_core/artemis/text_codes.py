"""Texts as numbers: columns of addresses or coins → their places among all different ones, sorted.

One compiled pass over the texts where Polars has them, without a copy and with one look into a
table for each: a day has millions of addresses and few different ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numba import njit

from vigil_core.errors import VigilError
from vigil_core.fills.machine_words import load64

Numbers = np.ndarray[Any, np.dtype[Any]]

_LEAST_SLOTS, _FIRST_SLOTS = 1 << 10, 1 << 18
_GROWTH = 8
_INLINE = 12
"""Bytes of a text that fit its view; of a longer one, the view says where it lies."""
_LOW_HALF = (1 << 32) - 1
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)


class TextMissing(VigilError):
    """A text is NULL where it is part of a key."""

    def __init__(self, column: str) -> None:
        super().__init__(f"expected a text in every row of {column}, found NULL")


@dataclass(frozen=True)
class Codes:
    """All different texts of some columns, sorted, and their places by row of these columns."""

    texts: pl.Series
    codes: Numbers

    @classmethod
    def of(cls, *columns: pl.Series) -> "Codes":
        """Of columns of texts, plain or coded, one behind the other.

        Raises:
            TextMissing: one is NULL.
        """
        for column in columns:
            if column.has_nulls():
                raise TextMissing(column.name)
        joined = pl.concat([column.cast(pl.String).rename("text") for column in columns])
        codes: Numbers = np.empty(len(joined), np.int32)
        slots = max(_LEAST_SLOTS, min(_FIRST_SLOTS, 1 << len(joined).bit_length()))
        firsts = _coded(joined, slots, codes)
        while firsts is None:
            slots *= _GROWTH
            firsts = _coded(joined, slots, codes)
        texts = joined.gather(pl.Series(firsts))
        order = texts.arg_sort()
        ranks = np.empty(len(texts), np.int32)
        ranks[order.to_numpy()] = np.arange(len(texts))
        return cls(texts.gather(order), ranks[codes])

    def column(self, codes: Numbers) -> pl.Series:
        """Texts by their codes."""
        return self.texts.gather(pl.Series(codes).cast(pl.UInt32))


def _coded(texts: pl.Series, slots: int, codes: Numbers) -> Numbers | None:
    """Number texts in the order of first appearance; gives the first row of each.

    None if more than half of the slots would be taken.
    """
    table = np.full(slots, -1, np.int32)
    most = slots // 2
    keys, firsts = np.empty((most, 2), np.int64), np.empty(most, np.uint32)
    count = row = 0
    # Views of a chunk point into its buffers, which must live as long as the keys.
    arrays = [
        chunk.to_arrow(compat_level=pl.CompatLevel.newest()).cast(pa.string_view())
        for chunk in texts.get_chunks()
    ]
    for array in arrays:
        _, views, *buffers = array.buffers()
        words: Numbers = np.frombuffer(views or b"", np.int64).reshape(-1, 2)
        words = words[array.offset : array.offset + len(array)]
        starts = np.array([buffer.address for buffer in buffers], np.int64)
        own = codes[row : row + len(array)]
        count = _compiled_number(words, starts, row, table, keys, firsts, count, own)
        if count < 0:
            return None
        row += len(array)
    return firsts[:count]


def _number(
    views: Numbers,
    starts: Numbers,
    first_row: int,
    table: Numbers,
    keys: Numbers,
    firsts: Numbers,
    count: int,
    codes: Numbers,
) -> int:
    """Gives how many different texts there are now, or -1 if the table is full.

    A view is the length and the first four bytes, then either eight bytes more, with zeros behind
    a short text, or the number of a buffer and the offset in it. A key has the text's address
    instead of these last two.
    """
    mask = len(table) - 1
    for row in range(len(views)):
        head, tail = views[row, 0], views[row, 1]
        length = head & _LOW_HALF
        mixed = np.uint64(head) * _FACTOR
        if length <= _INLINE:
            mixed = (mixed ^ mixed >> _SHIFT ^ np.uint64(tail)) * _FACTOR
        else:
            tail = starts[tail & _LOW_HALF] + np.int64(tail >> 32)
            for at in range(0, length - 8, 8):
                mixed = (mixed ^ mixed >> _SHIFT ^ np.uint64(load64(tail + at))) * _FACTOR
            last = np.uint64(load64(tail + length - 8))
            mixed = (mixed ^ mixed >> _SHIFT ^ last) * _FACTOR
        slot = np.int64(mixed >> _SHIFT) & mask
        while True:
            code: Any = np.int64(table[slot])
            if code < 0:
                if count == len(keys):
                    return -1
                code = count
                table[slot] = code
                keys[code, 0], keys[code, 1] = head, tail
                firsts[code] = first_row + row
                count += 1
                break
            other = keys[code, 1]
            if keys[code, 0] == head:
                is_same = other == tail
                if not is_same and length > _INLINE:
                    is_same = load64(other + length - 8) == load64(tail + length - 8)
                    at = 0
                    while is_same and at < length - 8:
                        is_same = load64(other + at) == load64(tail + at)
                        at += 8
                if is_same:
                    break
            slot = slot + 1 & mask
        codes[row] = code
    return count


_compiled_number: Any = njit(cache=True, nogil=True)(_number)
