"""One UTC day of fills, and where each position was left → round trips, and where they are left.

What a fill does stands in the fill itself (start_position, side, sz); that it follows the one
before is checked. Positions are compared at 8 decimals: the exchange prints float noise of up to
1e-9. A fill that flips has two parts: the closing one ends an episode with all of the PnL, the
opening one begins the next. Its fee is split by size at the twelfth decimal; the opening part takes
what is left.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vigil_core.fills.wide_integers import (
    NARROW_BYTES,
    NULL_INT,
    WIDE_BYTES,
    equal,
    less,
    load_narrow,
    load_wide,
    magnitude,
    minus,
    quotient,
    store_wide,
    times,
    wide,
)
from vigil_core.metrics.walks import (
    BUYS,
    ONE,
    PERP,
    VICTIM,
    WORDS,
    Numbers,
    Walk,
    add_at_12,
    add_to,
    compiled,
    inlined,
    inner,
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

GATHERED = (
    "peak_size",
    "entry_size",
    "entry_notional",
    "exit_size",
    "exit_notional",
    "gross_pnl",
    "fees",
    "size_ms",
)
"""What an episode gathers, wide; `gross_pnl` and `fees` are NULL where a fill does not tell."""

COUNTED = ("opened_at", "fill_count", "unpriced_fills")
"""And in whole numbers; `opened_at` is NULL where its opening was not seen."""

_PEAK, _ENTRY, _ENTRY_USD, _EXIT, _EXIT_USD, _GROSS, _FEES, _SIZE_MS = range(
    0, WIDE_BYTES * len(GATHERED), WIDE_BYTES
)
_OPENED, _FILLS, _UNPRICED = range(len(COUNTED))
_GATHERED_WORDS = WORDS * len(GATHERED)
_GATHERED_BYTES = 8 * _GATHERED_WORDS

_TRIP = ("trader", "coin", "seq", "direction", "closed_at", "is_liquidated", *COUNTED)
_TRADER, _COIN, _SEQ, _DIRECTION, _CLOSED, _LIQUIDATED, _TRIP_COUNTED = range(7)

_DAY = (
    "trader",
    "coin",
    "fill_count",
    "first_time",
    "last_time",
    "closed_trades",
    "hold_ms",
    "left_censored_trades",
    "continuity_breaks",
    "position_time",
)
(
    _DAY_TRADER,
    _DAY_COIN,
    _DAY_FILLS,
    _FIRST_TIME,
    _LAST_TIME,
    _CLOSED_TRADES,
    _HOLD_MS,
    _CENSORED,
    _BREAKS,
    _POSITION_TIME,
) = range(len(_DAY))


@dataclass(frozen=True)
class RoundTrips:
    """What a day comes to; all sorted by trader and coin."""

    closed: pa.Table
    """Columns of `round_trips`, without its day."""
    positions: pa.Table
    """Columns of `trader_coin_daily`, without its day: a row for each trader and coin traded."""


def round_trips(fills: dict[str, Any], carried: dict[str, Any]) -> RoundTrips:
    """Follow positions from fill to fill.

    Args:
        fills: `time`, `block_number`, `event_index`, `user_address`, `coin`, `flags`, and, narrow,
            `px`, `sz`, `start_position`, `closed_pnl`; and, wide, `fee_usd`.
        carried: `user_address`, `coin`, `position` (five words at scale 12), `position_time`,
            and of what is open `GATHERED` (wide) and `COUNTED`.
    """
    walk = Walk.of(fills, carried)
    coins = len(walk.coins.texts)
    count = _count_positions(walk.order, walk.first, walk.coin_of_fill, np.full(coins, -1))
    gathered = np.concatenate([carried[name] for name in GATHERED], axis=1)
    counted = np.stack([carried[name] for name in COUNTED], axis=1)
    # A fill closes one at most.
    trips = np.empty((walk.fills, len(_TRIP)), np.int64)
    trip_sums = np.empty((walk.fills, _GATHERED_WORDS), np.int64)
    days = np.zeros((count, len(_DAY)), np.int64)
    position = np.empty((count, WORDS), np.int64)
    open_sums = np.empty((count, _GATHERED_WORDS), np.int64)
    open_counts = np.empty((count, len(COUNTED)), np.int64)
    closed = _walk(
        walk.order,
        walk.first,
        walk.carried_order,
        walk.carried_first,
        walk.coin_of_fill,
        walk.coin_of_carried,
        fills["time"],
        *(fills[name].ctypes.data for name in ("px", "sz", "start_position", "closed_pnl")),
        fills["fee_usd"].ctypes.data,
        fills["flags"],
        carried["position"].ctypes.data,
        carried["position_time"],
        gathered,
        counted,
        np.zeros((coins, _GATHERED_WORDS), np.int64),
        np.zeros((coins, len(COUNTED)), np.int64),
        np.zeros((coins, WORDS), np.int64),
        np.full(coins, -1),
        np.empty(coins, np.int32),
        trips,
        trip_sums,
        days,
        position,
        open_sums,
        open_counts,
    )
    return RoundTrips(
        _closed(walk, trips[:closed], trip_sums[:closed]),
        _positions(walk, days, position, open_sums, open_counts),
    )


def _closed(walk: Walk, trips: Numbers, sums: Numbers) -> pa.Table:
    order = np.lexsort((trips[:, _SEQ], trips[:, _COIN], trips[:, _TRADER]))
    trips, sums = trips[order], sums[order].reshape(len(order), len(GATHERED), WORDS)
    opened, closed = trips[:, _TRIP_COUNTED + _OPENED], trips[:, _CLOSED]
    sides = pa.array(["short", "long"])
    columns = {
        "user_address": texts(trips[:, _TRADER], walk.traders.texts),
        "coin": texts(trips[:, _COIN], walk.coins.texts),
        "seq": pa.array(trips[:, _SEQ].astype(np.int32)),
        "direction": pa.DictionaryArray.from_arrays(
            pa.array(trips[:, _DIRECTION].astype(np.int32)), sides
        ),
        "opened_at": whole_numbers(opened),
        "closed_at": pa.array(closed),
        "hold_ms": whole_numbers(np.where(opened == NULL_INT, NULL_INT, closed - opened)),
        "fill_count": pa.array(trips[:, _TRIP_COUNTED + _FILLS]),
        "unpriced_fills": pa.array(trips[:, _TRIP_COUNTED + _UNPRICED]),
        "is_liquidated": pa.array(trips[:, _LIQUIDATED] != 0),
    }
    columns |= {name: money(sums[:, n]) for n, name in enumerate(GATHERED)}
    net = np.empty((len(order), WORDS), np.int64)
    _subtract(
        np.ascontiguousarray(sums[:, GATHERED.index("gross_pnl")]),
        np.ascontiguousarray(sums[:, GATHERED.index("fees")]),
        net,
    )
    return pa.table(columns | {"net_pnl": money(net)})


def _positions(
    walk: Walk, days: Numbers, position: Numbers, sums: Numbers, counts: Numbers
) -> pa.Table:
    columns = {
        "user_address": texts(days[:, _DAY_TRADER], walk.traders.texts),
        "coin": texts(days[:, _DAY_COIN], walk.coins.texts),
        "position": money(position),
        "open_since": whole_numbers(counts[:, _OPENED]),
        "open_fills": whole_numbers(counts[:, _FILLS]),
        "open_unpriced_fills": whole_numbers(counts[:, _UNPRICED]),
    }
    columns |= {name: whole_numbers(days[:, n]) for n, name in enumerate(_DAY) if n > _DAY_COIN}
    words = sums.reshape(len(sums), len(GATHERED), WORDS)
    return pa.table(
        columns | {f"open_{name}": money(words[:, n]) for n, name in enumerate(GATHERED)}
    )


@compiled
def _subtract(one, other, result):
    size = WIDE_BYTES
    for row in range(len(one)):
        a, b = one.ctypes.data + size * row, other.ctypes.data + size * row
        if is_null_wide(a) or is_null_wide(b):
            put_null(result.ctypes.data + size * row)
        else:
            store_wide(result.ctypes.data + size * row, minus(load_wide(a), load_wide(b)))


@compiled
def _count_positions(order, first, coin, last_trader):
    count = 0
    for trader in range(len(first) - 1):
        for k in range(first[trader], first[trader + 1]):
            code = coin[order[k]]
            if last_trader[code] != trader:
                last_trader[code] = trader
                count += 1
    return count


@inlined
def _begin(sums, counts, code, opened_at):
    """A new episode, with nothing gathered."""
    for i in range(_GATHERED_WORDS):
        sums[code, i] = 0
    counts[code, _OPENED] = opened_at
    counts[code, _FILLS] = 0
    counts[code, _UNPRICED] = 0


@inner
def _gather(block, size_at, size_from, price):
    """A part of a fill: the episode's size before it and after it, and its price."""
    larger = size_from if less(size_at, size_from) else size_at
    larger = times(larger, wide(ONE))
    if less(load_wide(block + _PEAK), larger):
        store_wide(block + _PEAK, larger)
    if less(size_from, size_at):
        change = minus(size_at, size_from)
        add_at_12(block + _ENTRY, change)
        add_to(block + _ENTRY_USD, times(price, change))
    else:
        change = minus(size_from, size_at)
        add_at_12(block + _EXIT, change)
        add_to(block + _EXIT_USD, times(price, change))


@inner
def _add_known(address, is_known, value):
    """What is unknown stays so."""
    if not is_known:
        put_null(address)
    elif not is_null_wide(address):
        add_at_12(address, value)


@inner
def _add_known_fee(address, is_known, value):
    """The same of what has scale 24 already."""
    if not is_known:
        put_null(address)
    elif not is_null_wide(address):
        add_to(address, value)


@compiled
def _walk(
    order,
    first,
    carried_order,
    carried_first,
    coin,
    coin_of_carried,
    time,
    px,
    sz,
    start_position,
    closed_pnl,
    fee_usd,
    fill_flags,
    carried_position,
    carried_time,
    carried_sums,
    carried_counts,
    sums,
    counts,
    ends,
    places,
    touched,
    trips,
    trip_sums,
    days,
    position,
    open_sums,
    open_counts,
):
    """Gives the number of round trips; all else is written in full.

    `places`, `sums`, `counts` and `ends` are of the coins of the trader that is walked over: his
    row in `days`, -1 of a coin that he does not trade; his episode; and where he stands, at scale
    12, NULL where that is not known.
    """
    closed_trips = np.int64(0)
    done = np.int64(0)
    known_time = np.zeros(len(ends), np.int64)
    is_carried = np.zeros(len(ends), np.bool_)
    for trader in range(len(first) - 1):
        for k in range(carried_first[trader], carried_first[trader + 1]):
            row = carried_order[k]
            code = coin_of_carried[row]
            given = carried_position + WIDE_BYTES * row
            store_wide(ends.ctypes.data + WIDE_BYTES * code, load_wide(given))
            known_time[code] = carried_time[row]
            for i in range(_GATHERED_WORDS):
                sums[code, i] = carried_sums[row, i]
            for i in range(len(COUNTED)):
                counts[code, i] = carried_counts[row, i]
            is_carried[code] = True
        seen = 0
        for k in range(first[trader], first[trader + 1]):
            code = coin[order[k]]
            if places[code] < 0:
                places[code] = 0
                touched[seen] = code
                seen += 1
        touched[:seen].sort()
        for place in range(done, done + seen):
            code = touched[place - done]
            places[code] = place
            if not is_carried[code]:
                put_null(ends.ctypes.data + WIDE_BYTES * code)
            is_carried[code] = False
            days[place, _DAY_TRADER], days[place, _DAY_COIN] = trader, code
            days[place, _FIRST_TIME], days[place, _POSITION_TIME] = NULL_INT, NULL_INT
        for k in range(first[trader], first[trader + 1]):
            row = order[k]
            code = coin[row]
            end_at = ends.ctypes.data + WIDE_BYTES * code
            place = places[code]
            days[place, _DAY_FILLS] += 1
            days[place, _FIRST_TIME] = min(days[place, _FIRST_TIME], time[row])
            days[place, _LAST_TIME] = max(days[place, _LAST_TIME], time[row])
            at = NARROW_BYTES * row
            told = fill_flags[row]
            if told & PERP == 0 or is_null(start_position + at):
                continue
            block = sums.ctypes.data + _GATHERED_BYTES * code
            price, size = load_narrow(px + at), load_narrow(sz + at)
            begin = to_8_places(start_position + at, wide(0))
            signed = size if told & BUYS else minus(wide(0), size)
            end = to_8_places(start_position + at, signed)
            is_expected = not is_null_wide(end_at) and equal(load_wide(end_at), begin)
            if not is_null_wide(end_at) and not is_expected:
                days[place, _BREAKS] += 1
            was_open, is_open = not equal(begin, wide(0)), not equal(end, wide(0))
            was_long, is_long = less(wide(0), begin), less(wide(0), end)
            closes = was_open and (not is_open or was_long != is_long)
            opens = is_open and (not was_open or was_long != is_long)
            size_from, size_at = magnitude(begin), magnitude(end)
            fee_at = fee_usd + WIDE_BYTES * row
            knows_pnl, knows_fee = not is_null(closed_pnl + at), not is_null_wide(fee_at)
            pnl, fee = load_narrow(closed_pnl + at), load_wide(fee_at)
            if was_open:
                if not is_expected:
                    # It was open before its first fill here.
                    _begin(sums, counts, code, NULL_INT)
                else:
                    held = times(size_from, wide(time[row] - known_time[code]))
                    add_at_12(block + _SIZE_MS, held)
                counts[code, _FILLS] += 1
                _gather(block, wide(0) if closes else size_at, size_from, price)
                first_fee = fee
                if closes and opens and knows_fee:
                    # A part of a fee is kept to 12 decimals; the other part has the rest.
                    part = quotient(times(fee, size_from), times(size, wide(ONE)))
                    first_fee = times(part, wide(ONE))
                _add_known(block + _GROSS, knows_pnl, pnl)
                _add_known_fee(block + _FEES, knows_fee, first_fee)
                if not knows_fee:
                    counts[code, _UNPRICED] += 1
                if closes:
                    # An opening part takes what is left of the fee, and no PnL.
                    pnl, fee, knows_pnl = wide(0), minus(fee, first_fee), True
                    for i in range(_GATHERED_WORDS):
                        trip_sums[closed_trips, i] = sums[code, i]
                    trip = trips[closed_trips]
                    opened_at = counts[code, _OPENED]
                    trip[_TRADER], trip[_COIN], trip[_CLOSED] = trader, code, time[row]
                    trip[_SEQ] = days[place, _CLOSED_TRADES] + days[place, _CENSORED] + 1
                    trip[_DIRECTION] = was_long
                    trip[_LIQUIDATED] = told & VICTIM
                    for i in range(len(COUNTED)):
                        trip[_TRIP_COUNTED + i] = counts[code, i]
                    closed_trips += 1
                    if opened_at == NULL_INT:
                        days[place, _CENSORED] += 1
                    else:
                        days[place, _CLOSED_TRADES] += 1
                        days[place, _HOLD_MS] += time[row] - opened_at
            if opens:
                _begin(sums, counts, code, time[row])
                counts[code, _FILLS] = 1
                _gather(block, size_at, wide(0), price)
                _add_known(block + _GROSS, knows_pnl, pnl)
                _add_known_fee(block + _FEES, knows_fee, fee)
                if not knows_fee:
                    counts[code, _UNPRICED] = 1
            store_wide(end_at, end)
            known_time[code] = time[row]
            days[place, _POSITION_TIME] = time[row]

        for place in range(done, done + seen):
            code = touched[place - done]
            end_at = ends.ctypes.data + WIDE_BYTES * code
            target = position.ctypes.data + WIDE_BYTES * place
            if days[place, _POSITION_TIME] == NULL_INT:
                put_null(target)
                is_open = False
            else:
                store_wide(target, times(load_wide(end_at), wide(ONE)))
                is_open = not equal(load_wide(end_at), wide(0))
            for n in range(len(GATHERED)):
                own = open_sums.ctypes.data + _GATHERED_BYTES * place + WIDE_BYTES * n
                if is_open:
                    given = sums.ctypes.data + _GATHERED_BYTES * code + WIDE_BYTES * n
                    store_wide(own, load_wide(given))
                else:
                    put_null(own)
            for n in range(len(COUNTED)):
                open_counts[place, n] = counts[code, n] if is_open else NULL_INT
            places[code] = -1
        done += seen
    return closed_trips
