"""The loops of the tape: rows → trades, trades → buckets and candles, positions → open interest.

Money comes and goes as whole numbers of 128 bits, a pair of words (low, high) a row, as Arrow and
Polars have them; sums and products are taken modulo 2 ** 128, so signs need no care. A grid holds
a row per coin and slot, those of one coin one behind the other; what lies in no slot, or is of no
coin of the grid, is passed over.

Everything stands in few functions: arrays handed from one compiled function to another cost more
than the work.
"""

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from numba import njit

from vigil_core.fills.machine_words import multiply_add
from vigil_core.fills.schema import MONEY

Numbers = npt.NDArray[Any]

UNSORTED = -1
"""What `pair` gives for rows out of order."""
NO_TAKER, BUYER_TOOK, SELLER_TOOK = range(3)
"""Who took, as `pair` tells."""

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
_ALL, _BOUGHT, _SOLD, _UNKNOWN, _OFF_BOOK = range(5)

_SPREAD = np.uint64(11_400_714_819_323_198_485)
"""2 ** 64 over the golden ratio: neighbouring numbers end up far apart."""

_SLICE = 1 << 16
_MOST_TEXTS = 1 << 13
"""Different ones, of a column in which they repeat. A power of two."""
_LENGTH, _SHORT_TEXT = np.uint64((1 << 32) - 1), np.uint64(12)
"""Where in the first word its length stands, and up to which length a text lies in the pair."""


def numbers(values: pl.Series) -> Numbers:
    """Numbers or flags without NULL, to be read only.

    Some columns Polars shows as they lie, others it copies. A loop would be compiled for every
    mixture of arrays that may be written and that may not.
    """
    found = values.to_numpy().view()
    found.flags.writeable = False
    return found


def words(values: pl.Series) -> Numbers:
    """Decimals of `MONEY` as pairs of words, not copied if they lie in one piece; NULL is 0."""
    column: Any = values.cast(MONEY).fill_null(Decimal(0)).rechunk().to_arrow()
    content = np.frombuffer(column.buffers()[1] or b"", np.uint64).reshape(-1, 2)
    return content[column.offset : column.offset + len(column)]


def decimals(content: Numbers, type_: pl.Decimal) -> pl.Series:
    """Pairs of words, one behind the other, as decimals, not copied."""
    arrow = pa.decimal128(type_.precision, type_.scale)
    column = pa.Array.from_buffers(arrow, len(content), [None, pa.py_buffer(content)])
    return pl.Series(pl.from_arrow(column))


def coded(values: pl.Series) -> tuple[Numbers, pl.Series]:
    """Texts that repeat as places among the different ones, which are given too; NULL is -1.

    In memory a text is a pair of words: its bytes, or its length and where in its chunk it lies.
    Comparing those takes a third of the time that Polars needs to tell texts apart.
    """
    values = values.cast(pl.String)
    places = np.empty(len(values), np.int32)
    firsts = np.empty(_MOST_TEXTS, np.int64)
    keys, table = np.empty((2 * _MOST_TEXTS, 3), np.uint64), np.full(2 * _MOST_TEXTS, -1, np.int32)
    found = begin = 0
    for number, chunk in enumerate(values.get_chunks(), 1):
        column: Any = chunk.to_arrow(compat_level=pl.CompatLevel.newest())
        pairs = np.frombuffer(column.buffers()[1] or b"", np.uint64).reshape(-1, 2)
        pairs = pairs[column.offset : column.offset + len(chunk)]
        is_there = chunk.is_not_null() if chunk.null_count() else pl.Series([], dtype=pl.Boolean)
        found = number_texts(
            pairs, numbers(is_there), number, begin, found, places, firsts, keys, table
        )
        if found > _MOST_TEXTS:
            names = values.drop_nulls().unique()
            codes = values.cast(pl.Enum(names)).to_physical().cast(pl.Int32)
            return np.array(codes.fill_null(-1)), names
        begin += len(chunk)
    texts = values.gather(firsts[:found])
    names = texts.unique(maintain_order=True)
    if len(names) < found:
        number_of = {name: number for number, name in enumerate(names)}
        places = np.array([*(number_of[text] for text in texts), -1], np.int32)[places]
    return places, names


def among(names: pl.Series, texts: tuple[Numbers, pl.Series]) -> Numbers:
    """Places of coded texts among other names, all different; -1 for one that is none of them."""
    places, different = texts
    asked = {name: number for number, name in enumerate(names)}
    return np.array([*(asked.get(text, -1) for text in different), -1], np.int32)[places]


def _number_texts(
    pairs: Numbers,
    is_there: Numbers,
    chunk: int,
    begin: int,
    found: int,
    places: Numbers,
    firsts: Numbers,
    keys: Numbers,
    table: Numbers,
) -> int:
    """Number a chunk's texts, by their first rows; gives how many there are, or one too many."""
    mask = len(table) - 1
    for row in range(len(pairs)):
        if len(is_there) and not is_there[row]:
            places[begin + row] = -1
            continue
        one, two = pairs[row, 0], pairs[row, 1]
        if row and pairs[row - 1, 0] == one and pairs[row - 1, 1] == two:
            before = places[begin + row - 1]
            if before >= 0:
                places[begin + row] = before
                continue
        is_long = one & _LENGTH > _SHORT_TEXT
        where = np.uint64(chunk) if is_long else np.uint64(0)
        slot = np.int64((one * _SPREAD ^ two) * _SPREAD >> np.uint64(40)) & mask
        while table[slot] >= 0:
            if keys[slot, 0] == one and keys[slot, 1] == two and keys[slot, 2] == where:
                break
            slot = (slot + 1) & mask
        if table[slot] < 0:
            if found == len(firsts):
                return found + 1
            firsts[found] = begin + row
            keys[slot, 0], keys[slot, 1], keys[slot, 2] = one, two, where
            table[slot] = found
            found += 1
        places[begin + row] = table[slot]
    return found


def _pair(
    time: Numbers,
    block: Numbers,
    index: Numbers,
    coin: Numbers,
    tid: Numbers,
    crossed: Numbers,
    buys: Numbers,
    off_book: Numbers,
    is_first: Numbers,
    taker: Numbers,
    is_off_book: Numbers,
) -> int:
    """Rows in the order of execution → how many trades; `UNSORTED` if they are not in order.

    `is_first`, all False before, says of each row whether it is the first of a trade; the other
    two are per trade, in the order of these rows.

    `tid` 0 is none: such a row is a trade of its own. `crossed` is 1, 0, or -1 where unknown.
    Trades that nobody is known to have crossed for or bought in are left out.
    """
    rows = len(time)
    longest = run = 0
    for row in range(rows):
        run += 1
        if row == 0:
            continue
        before = row - 1
        if time[row] != time[before]:
            if time[row] < time[before]:
                return UNSORTED
            run = 1
        elif block[row] < block[before] or (
            block[row] == block[before] and index[row] < index[before]
        ):
            return UNSORTED
        longest = max(longest, run)
    bits = 4
    while 1 << bits < 2 * longest:
        bits += 1
    mask = (1 << bits) - 1
    # Of a slot, the trade last put there. One of an earlier time counts as none.
    table = np.full(1 << bits, -1, np.int64)
    first = np.empty(rows, np.int32)
    takers = np.zeros(rows, np.int32)
    is_counted = np.zeros(rows, np.bool_)
    bought = np.zeros(rows, np.bool_)
    trades = oldest = 0
    for row in range(rows):
        if row and time[row] != time[row - 1]:
            oldest = trades
        trade = trades
        if tid[row] != 0:
            mixed = np.uint64(tid[row] ^ (np.int64(coin[row]) << 40)) * _SPREAD
            slot = np.int64(mixed >> np.uint64(20)) & mask
            while table[slot] >= oldest:
                known = first[table[slot]]
                if tid[known] == tid[row] and coin[known] == coin[row]:
                    trade = table[slot]
                    break
                slot = (slot + 1) & mask
            table[slot] = trade
        if trade == trades:
            first[trade] = row
            is_off_book[trade] = False
            trades += 1
        if crossed[row] == 1:
            takers[trade] += 1
            bought[trade] |= buys[row]
        is_counted[trade] |= crossed[row] >= 0 or buys[row]
        is_off_book[trade] |= off_book[row]
    counted = 0
    for trade in range(trades):
        if is_counted[trade]:
            is_first[first[trade]] = True
            is_off_book[counted] = is_off_book[trade]
            taker[counted] = NO_TAKER
            if takers[trade] == 1:
                taker[counted] = BUYER_TOOK if bought[trade] else SELLER_TOOK
            counted += 1
    return counted


def _add_flow(
    time: Numbers,
    coin: Numbers,
    px: Numbers,
    sz: Numbers,
    bought: Numbers,
    sold: Numbers,
    off_book: Numbers,
    begin: int,
    interval: int,
    slot_of: Numbers,
    slots: int,
    sums: Numbers,
) -> float:
    """Add USD to the grid, by kind; gives how many units it is of the last decimal, about."""
    total = 0.0
    since, slot = begin - interval, -1
    for trade in range(len(time)):
        low, high = multiply_add(px[trade, 0], sz[trade, 0], np.uint64(0))
        high += px[trade, 0] * sz[trade, 1] + px[trade, 1] * sz[trade, 0]
        of_px = np.float64(np.int64(px[trade, 1])) * 2.0**64 + np.float64(px[trade, 0])
        of_sz = np.float64(np.int64(sz[trade, 1])) * 2.0**64 + np.float64(sz[trade, 0])
        total += abs(of_px * of_sz)
        if not since <= time[trade] < since + interval:
            number = (time[trade] - begin) // interval
            since = begin + number * interval
            slot = slot_of[number] if 0 <= number < len(slot_of) else -1
        if coin[trade] < 0 or slot < 0:
            continue
        row = coin[trade] * slots + slot
        kind = _UNKNOWN
        if off_book[trade]:
            kind = _OFF_BOOK
        elif bought[trade]:
            kind = _BOUGHT
        elif sold[trade]:
            kind = _SOLD
        sums[kind, row, 0] += low
        sums[kind, row, 1] += high + np.uint64(sums[kind, row, 0] < low)
        if kind != _OFF_BOOK:
            sums[_ALL, row, 0] += low
            sums[_ALL, row, 1] += high + np.uint64(sums[_ALL, row, 0] < low)
    return total


def _add_candles(
    time: Numbers,
    coin: Numbers,
    px: Numbers,
    sz: Numbers,
    off_book: Numbers,
    begin: int,
    interval: int,
    slot_of: Numbers,
    runs: Numbers,
    before: Numbers,
    has_before: Numbers,
    cells: Numbers,
    trades: Numbers,
    has_row: Numbers,
) -> None:
    """Make candles of trades in order, then those without any flat at the close before.

    `before` is the close of each coin before `begin`. `runs` numbers the slots by what is unbroken.
    """
    slots = len(runs)
    # A trade mostly lies in the interval of the one before it.
    since, slot = begin - interval, -1
    for trade in range(len(time)):
        if not since <= time[trade] < since + interval:
            number = (time[trade] - begin) // interval
            since = begin + number * interval
            slot = slot_of[number] if 0 <= number < len(slot_of) else -1
        if coin[trade] < 0 or slot < 0:
            continue
        if off_book[trade]:
            continue
        row = coin[trade] * slots + slot
        low, high = px[trade, 0], np.int64(px[trade, 1])
        if trades[row] == 0:
            for cell in (OPEN, HIGH, LOW):
                cells[cell, row, 0] = px[trade, 0]
                cells[cell, row, 1] = px[trade, 1]
        else:
            upper, lower = np.int64(cells[HIGH, row, 1]), np.int64(cells[LOW, row, 1])
            if high > upper or (high == upper and low > cells[HIGH, row, 0]):
                cells[HIGH, row, 0] = px[trade, 0]
                cells[HIGH, row, 1] = px[trade, 1]
            if high < lower or (high == lower and low < cells[LOW, row, 0]):
                cells[LOW, row, 0] = px[trade, 0]
                cells[LOW, row, 1] = px[trade, 1]
        cells[CLOSE, row, 0] = px[trade, 0]
        cells[CLOSE, row, 1] = px[trade, 1]
        cells[VOLUME, row, 0] += sz[trade, 0]
        cells[VOLUME, row, 1] += sz[trade, 1] + np.uint64(cells[VOLUME, row, 0] < sz[trade, 0])
        trades[row] += 1
    for name in range(len(before)):
        known = False
        for at in range(slots):
            row = name * slots + at
            if at == 0 or runs[at] != runs[at - 1]:
                reaches_back = has_before[name] and slot_of[0] == at
                known = reaches_back
                low, high_word = before[name, 0], before[name, 1]
            if trades[row]:
                known = True
                low, high_word = cells[CLOSE, row, 0], cells[CLOSE, row, 1]
            elif known:
                for cell in (OPEN, HIGH, LOW, CLOSE):
                    cells[cell, row, 0] = low
                    cells[cell, row, 1] = high_word
            has_row[row] = known


def changes(
    legs: pl.DataFrame, coin: Numbers, coins: int, edges: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """How far fills moved the sum of all long positions, per coin and piece between two edges.

    Args:
        legs: Columns `time, side, sz, start_position`; what lies before the first edge, or not
            before the last one, changes nothing.
        coin: Of each row, a number from 0 on; a row of a negative one changes nothing.
        coins: How many there are.
        edges: Instants, sorted.

    Returns:
        Per piece, those of one coin one behind the other: the sum as words, how many rows are in
        it, and how many could not be, for a size or start position is NULL.
    """
    pieces = coins * max(len(edges) - 1, 0)
    sums, rows, gaps = np.zeros((pieces, 2), np.uint64), *np.zeros((2, pieces), np.int64)
    # Some rows at a time: what the loop is given is copied, and stays in the cache.
    for begin in range(0, legs.height if pieces else 0, _SLICE):
        some = legs.slice(begin, _SLICE)
        is_known = some["sz"].is_not_null() & some["start_position"].is_not_null()
        add_changes(
            numbers(some["time"]),
            coin[begin : begin + _SLICE],
            numbers((some["side"] == "B").fill_null(value=False)),
            words(some["sz"]),
            words(some["start_position"]),
            numbers(is_known),
            edges,
            sums,
            rows,
            gaps,
        )
    return sums, rows, gaps


def _add_changes(
    time: Numbers,
    coin: Numbers,
    buys: Numbers,
    sz: Numbers,
    start: Numbers,
    is_known: Numbers,
    edges: Numbers,
    sums: Numbers,
    rows: Numbers,
    gaps: Numbers,
) -> None:
    pieces = len(edges) - 1
    piece = 0
    for row in range(len(time)):
        if coin[row] < 0 or time[row] < edges[0] or time[row] >= edges[pieces]:
            continue
        if not edges[piece] <= time[row] < edges[piece + 1]:
            piece = np.searchsorted(edges, time[row], "right") - 1
        place = coin[row] * pieces + piece
        if not is_known[row]:
            gaps[place] += 1
            continue
        rows[place] += 1
        low, high = start[row, 0], start[row, 1]
        if buys[row]:
            low += sz[row, 0]
            high += sz[row, 1] + np.uint64(low < sz[row, 0])
        else:
            high -= sz[row, 1] + np.uint64(low < sz[row, 0])
            low -= sz[row, 0]
        if np.int64(high) >= 0:
            sums[place, 0] += low
            sums[place, 1] += high + np.uint64(sums[place, 0] < low)
        if np.int64(start[row, 1]) >= 0:
            sums[place, 1] -= start[row, 1] + np.uint64(sums[place, 0] < start[row, 0])
            sums[place, 0] -= start[row, 0]


_compiled: Any = njit(cache=True, nogil=True)
number_texts = _compiled(_number_texts)
pair = _compiled(_pair)
add_flow = _compiled(_add_flow)
add_candles = _compiled(_add_candles)
add_changes = _compiled(_add_changes)
