"""One UTC day of fills, and what was held at its start → each trader's figures, what he holds.

A position at midnight is the one that the day before left, or what the first fill of the day
begins with; where the two differ fills are missing, and what it was worth is unknown.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vigil_core.calendar import DAY_MS
from vigil_core.fills.wide_integers import (
    NARROW_BYTES,
    WIDE_BYTES,
    equal,
    less,
    load_narrow,
    load_wide,
    magnitude,
    minus,
    plus,
    store_wide,
    times,
    wide,
)
from vigil_core.metrics.walks import (
    BUYS,
    LIQUIDATION,
    MAKER,
    MAKES_PRICE,
    ONE,
    PERP,
    TAKER,
    TWAP,
    VICTIM,
    WORDS,
    Walk,
    add_at_12,
    add_to,
    compiled,
    inlined,
    is_null,
    is_null_wide,
    money,
    put_null,
    texts,
    to_8_places,
    whole_numbers,
)

VERSION = 2
"""To be raised where rows come out otherwise: days built by another one are stale."""

COUNTS = (
    "fills",
    "unpriced_fills",
    "unknown_pnl_fills",
    "maker_fills",
    "taker_fills",
    "long_increases",
    "short_increases",
    "liquidated_fills",
    "liquidator_fills",
    "winning_fills",
    "losing_fills",
)
SUMS = (
    "volume",
    "gross_pnl",
    "fees",
    "maker_volume",
    "taker_volume",
    "twap_volume",
    "exposure_usd",
    "marked_change",
    "peak_exposure_usd",
    "exposure_usd_ms",
    "seed_fees",
    "seed_builder_fees",
)
"""Wide. `exposure_usd` and `marked_change` are NULL where a mark, a position at the day's start
or a fill in between is not known; the latter is before fees."""

(
    _FILLS,
    _UNPRICED,
    _UNKNOWN,
    _MAKER,
    _TAKER,
    _LONG,
    _SHORT,
    _LIQUIDATED,
    _LIQUIDATOR,
    _WINNING,
    _LOSING,
) = range(len(COUNTS))
(
    _VOLUME,
    _GROSS,
    _FEES,
    _MAKER_VOLUME,
    _TAKER_VOLUME,
    _TWAP_VOLUME,
    _EXPOSURE,
    _CHANGE,
    _PEAK,
    _EXPOSURE_MS,
    _SEED_FEES,
    _SEED_BUILDER_FEES,
) = range(0, WIDE_BYTES * len(SUMS), WIDE_BYTES)
_SUMS_BYTES = WIDE_BYTES * len(SUMS)

# Of a coin, while its trader is walked over: at scale 12, except cash and exposure.
_START, _END, _PX_AT_START, _PX, _HELD, _HELD_MARK, _CASH, _COIN_MS = range(
    0, 8 * WIDE_BYTES, WIDE_BYTES
)
_COIN_BYTES = 8 * WIDE_BYTES
# Whether it is so, of a coin.
_TRADED, _KNOWS_START, _KNOWS_END, _BROKEN, _IS_HELD, _HELD_IS_MARKED = (1 << n for n in range(6))


@dataclass(frozen=True)
class TraderDays:
    """What a day comes to."""

    results: pa.Table
    """Of each trader, sorted: `user_address`, `COUNTS`, `SUMS`."""
    held: pa.Table
    """Open at the day's end, sorted: `user_address`, `coin`, `position`, and `mark` or NULL."""


def trader_days(fills: dict[str, Any], held: dict[str, Any], day: int) -> TraderDays:
    """Walk over a day.

    Args:
        fills: `time`, `block_number`, `event_index`, `user_address`, `coin`, `flags`, and, narrow,
            `px`, `sz`, `start_position`, `closed_pnl`, `fee`, `builder_fee`; and, wide, `fee_usd`.
        held: `user_address`, `coin`, `position` (five words at scale 12), `mark` (narrow), of the
            midnight before.
        day: Its start, ms.
    """
    walk = Walk.of(fills, held)
    traders, coins = len(walk.traders.texts), len(walk.coins.texts)
    counts = np.zeros((traders, len(COUNTS)), np.int64)
    sums = np.zeros((traders, len(SUMS) * WORDS), np.int64)
    marks = np.zeros((coins, WORDS), np.int64)
    has_mark = np.zeros(coins, np.int8)
    most = walk.fills + len(held["coin"])
    held_trader, held_coin = np.empty(most, np.int32), np.empty(most, np.int32)
    held_position = np.empty((most, WORDS), np.int64)
    held_mark = np.empty((most, WORDS), np.int64)
    moneys = ("px", "sz", "start_position", "closed_pnl", "fee", "builder_fee", "fee_usd")
    _find_marks(
        walk.coin_of_fill,
        fills["time"],
        fills["block_number"],
        fills["event_index"],
        fills["px"].ctypes.data,
        fills["flags"],
        np.full((coins, 3), -1, np.int64),
        marks.ctypes.data,
        has_mark,
    )
    count = _walk(
        np.int64(day),
        walk.order,
        walk.first,
        walk.carried_order,
        walk.carried_first,
        walk.coin_of_fill,
        walk.coin_of_carried,
        fills["time"],
        *(fills[name].ctypes.data for name in moneys),
        fills["flags"],
        held["position"].ctypes.data,
        held["mark"].ctypes.data,
        marks.ctypes.data,
        has_mark,
        np.zeros((coins, _COIN_BYTES // 8), np.int64),
        np.zeros(coins, np.int64),
        np.zeros(coins, np.int64),
        np.empty(coins, np.int32),
        counts,
        sums.ctypes.data,
        held_trader,
        held_coin,
        held_position.ctypes.data,
        held_mark.ctypes.data,
    )
    kept = slice(count)
    words = sums.reshape(traders, len(SUMS), WORDS)
    results = {"user_address": texts(np.arange(traders), walk.traders.texts)}
    results |= {name: whole_numbers(counts[:, n]) for n, name in enumerate(COUNTS)}
    results |= {name: money(words[:, n]) for n, name in enumerate(SUMS)}
    positions = {
        "user_address": texts(held_trader[kept], walk.traders.texts),
        "coin": texts(held_coin[kept], walk.coins.texts),
        "position": money(held_position[kept]),
        "mark": money(held_mark[kept]),
    }
    return TraderDays(pa.table(results), pa.table(positions))


@compiled
def _find_marks(coin, time, block, place, px, flags, latest, marks, has_mark):
    """The last price on the book of each coin."""
    for row in range(len(coin)):
        if flags[row] & PERP == 0 or flags[row] & MAKES_PRICE == 0:
            continue
        code = coin[row]
        if latest[code, 0] != time[row]:
            is_later = latest[code, 0] < time[row]
        elif latest[code, 1] != block[row]:
            is_later = latest[code, 1] < block[row]
        else:
            is_later = latest[code, 2] < place[row]
        if is_later:
            latest[code, 0], latest[code, 1], latest[code, 2] = time[row], block[row], place[row]
            store_wide(marks + WIDE_BYTES * code, load_narrow(px + NARROW_BYTES * row))
            has_mark[code] = 1


@inlined
def _count(counts, trader, number):
    counts[trader, number] += 1


@compiled
def _walk(
    day,
    order,
    first,
    held_order,
    held_first,
    coin,
    held_coin_before,
    time,
    px,
    sz,
    start_position,
    closed_pnl,
    fee,
    builder_fee,
    fee_usd,
    fill_flags,
    held_position_before,
    held_mark_before,
    marks,
    has_mark,
    coin_blocks,
    coin_flags,
    coin_time,
    touched,
    counts,
    sums,
    held_trader,
    held_coin,
    held_position,
    held_mark,
):
    """Gives the number of positions that are open at the end."""
    kept = np.int64(0)
    blocks = coin_blocks.ctypes.data
    for trader in range(len(first) - 1):
        own = sums + _SUMS_BYTES * trader
        seen = 0
        for k in range(held_first[trader], held_first[trader + 1]):
            row = held_order[k]
            code = held_coin_before[row]
            block = blocks + _COIN_BYTES * code
            touched[seen] = code
            seen += 1
            coin_flags[code] = _IS_HELD
            store_wide(block + _HELD, load_wide(held_position_before + WIDE_BYTES * row))
            mark = held_mark_before + NARROW_BYTES * row
            if not is_null(mark):
                coin_flags[code] |= _HELD_IS_MARKED
                store_wide(block + _HELD_MARK, load_narrow(mark))
        rise, peak = wide(0), wide(0)
        for k in range(first[trader], first[trader + 1]):
            row = order[k]
            at = NARROW_BYTES * row
            if not is_null(fee + at):
                add_at_12(own + _SEED_FEES, load_narrow(fee + at))
            if not is_null(builder_fee + at):
                add_at_12(own + _SEED_BUILDER_FEES, load_narrow(builder_fee + at))
            told = fill_flags[row]
            if told & PERP == 0:
                continue
            code = coin[row]
            block = blocks + _COIN_BYTES * code
            price, size = load_narrow(px + at), load_narrow(sz + at)
            notional = times(price, size)
            signed = size if told & BUYS else minus(wide(0), size)

            # What the fill itself tells.
            _count(counts, trader, _FILLS)
            add_to(own + _VOLUME, notional)
            if not is_null_wide(fee_usd + WIDE_BYTES * row):
                add_to(own + _FEES, load_wide(fee_usd + WIDE_BYTES * row))
            elif not is_null(fee + at):
                _count(counts, trader, _UNPRICED)
            if is_null(closed_pnl + at) or is_null(fee + at):
                _count(counts, trader, _UNKNOWN)
            if not is_null(closed_pnl + at):
                closed = load_narrow(closed_pnl + at)
                add_at_12(own + _GROSS, closed)
                if less(wide(0), closed):
                    _count(counts, trader, _WINNING)
                elif less(closed, wide(0)):
                    _count(counts, trader, _LOSING)
            if told & MAKER:
                _count(counts, trader, _MAKER)
                add_to(own + _MAKER_VOLUME, notional)
            elif told & TAKER:
                _count(counts, trader, _TAKER)
                add_to(own + _TAKER_VOLUME, notional)
            if told & VICTIM:
                _count(counts, trader, _LIQUIDATED)
            elif told & LIQUIDATION:
                _count(counts, trader, _LIQUIDATOR)
            if told & TWAP:
                add_to(own + _TWAP_VOLUME, notional)

            # What it does to the position.
            flags = coin_flags[code]
            knows = not is_null(start_position + at)
            begin, end = wide(0), wide(0)
            if knows:
                begin = to_8_places(start_position + at, wide(0))
                end = to_8_places(start_position + at, signed)
                if less(begin, end) and less(wide(0), end):
                    _count(counts, trader, _LONG)
                elif less(end, begin) and less(end, wide(0)):
                    _count(counts, trader, _SHORT)
            if flags & _TRADED:
                price_before = load_wide(block + _PX)
                time_before = coin_time[code]
                knew = (flags & _KNOWS_END) != 0
                if knew != knows or (knows and not equal(load_wide(block + _END), begin)):
                    flags |= _BROKEN
            else:
                if flags & _IS_HELD == 0:
                    touched[seen] = code
                    seen += 1
                price_before = load_wide(block + _HELD_MARK) if flags & _HELD_IS_MARKED else price
                time_before = day
                flags |= _TRADED
                if knows:
                    flags |= _KNOWS_START
                store_wide(block + _START, begin)
                store_wide(block + _PX_AT_START, price_before)
                store_wide(block + _CASH, wide(0))
                store_wide(block + _COIN_MS, wide(0))
            add_to(block + _CASH, minus(wide(0), times(price, signed)))
            if knows:
                # Before each fill at the price before it.
                stake = times(magnitude(begin), price_before)
                add_to(block + _COIN_MS, times(stake, wide(time[row] - time_before)))
                rise = plus(rise, minus(times(magnitude(end), price), stake))
                if less(peak, rise):
                    peak = rise
                flags |= _KNOWS_END
            else:
                flags &= ~_KNOWS_END
            store_wide(block + _END, end)
            store_wide(block + _PX, price)
            coin_time[code] = time[row]
            coin_flags[code] = flags

        # What his positions come to.
        touched[:seen].sort()
        knows_exposure, knows_change = True, True
        at_start = wide(0)
        for k in range(seen):
            code = touched[k]
            block = blocks + _COIN_BYTES * code
            flags = coin_flags[code]
            coin_flags[code] = 0
            position_before, mark_before = load_wide(block + _HELD), load_wide(block + _HELD_MARK)
            is_held = (flags & _IS_HELD) != 0
            was_marked = (flags & _HELD_IS_MARKED) != 0
            is_marked = has_mark[code] != 0 or was_marked
            mark = load_wide(marks + WIDE_BYTES * code) if has_mark[code] else mark_before
            if not is_marked:
                mark = wide(0)
            cash, knows_end = wide(0), True
            value, knows_value = wide(0), False
            if flags & _TRADED:
                end, knows_end = load_wide(block + _END), (flags & _KNOWS_END) != 0
                cash = load_wide(block + _CASH)
                start = load_wide(block + _START)
                price_at_start = load_wide(block + _PX_AT_START)
                if flags & _BROKEN == 0 and flags & _KNOWS_START:
                    if not is_held:
                        knows_value = equal(start, wide(0))
                    elif was_marked and equal(start, position_before):
                        knows_value = True
                        value = times(start, mark_before)
                add_to(own + _EXPOSURE_MS, load_wide(block + _COIN_MS))
                if knows_end:
                    stake = times(magnitude(end), load_wide(block + _PX))
                    left = wide(day + DAY_MS - coin_time[code])
                    add_to(own + _EXPOSURE_MS, times(stake, left))
                if flags & _KNOWS_START:
                    at_start = plus(at_start, times(magnitude(start), price_at_start))
                elif is_held:
                    at_start = plus(at_start, times(magnitude(position_before), price_at_start))
            else:
                end = position_before
                if was_marked:
                    stake = times(magnitude(end), mark_before)
                    at_start = plus(at_start, stake)
                    add_to(own + _EXPOSURE_MS, times(stake, wide(DAY_MS)))
                    knows_value = True
                    value = times(end, mark_before)
            is_flat = knows_end and equal(end, wide(0))
            if not knows_end or not (is_flat or is_marked):
                knows_exposure, knows_change = False, False
            if not knows_value:
                knows_change = False
            worth = times(end, mark)
            add_to(own + _EXPOSURE, magnitude(worth))
            add_to(own + _CHANGE, minus(plus(cash, worth), value))
            if knows_end and not is_flat:
                held_trader[kept], held_coin[kept] = trader, code
                store_wide(held_position + WIDE_BYTES * kept, times(end, wide(ONE)))
                if is_marked:
                    store_wide(held_mark + WIDE_BYTES * kept, times(mark, wide(ONE)))
                else:
                    put_null(held_mark + WIDE_BYTES * kept)
                kept += 1
        store_wide(own + _PEAK, plus(at_start, peak))
        if not knows_exposure:
            put_null(own + _EXPOSURE)
        if not knows_change:
            put_null(own + _CHANGE)
    return kept
