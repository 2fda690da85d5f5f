"""A day of wallets in one pass: its fills → what stays open, and a row of sums per wallet.

The same as `fifo.match`, `peak_exposure`, `piece_days` and `fills_summary` one after the other, but
pieces are added up where they are found and never become a frame. One compiled loop goes through
the fills of a wallet in the order of execution, with the pieces that `Matching` has for each.
Everything is exact: integers at the scale of their coin, sums in 128 bits.

Where something does not fit this (a price beyond four million USD, fills of two days, two fills at
one place in the order), the frames are made after all: slower, and equal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numba import njit

from vigil_core.artemis.fifo import carried_lots, match, open_lots
from vigil_core.artemis.positions import (
    COIN_BITS,
    DOLLARS,
    FEE,
    LIMIT,
    NO_FEE,
    NO_START,
    PLACE,
    POWERS,
    PRICE,
    REST,
    SIGNED,
    START,
    TIME,
    Matching,
    Positions,
    QuantityTooLarge,
    decimals_of,
    halves,
    numbers,
)
from vigil_core.artemis.text_codes import Codes, Numbers
from vigil_core.artemis.wallet_profiles import (
    HELD,
    LARGEST_USD,
    PIECE_DAYS,
    SUMMARY,
    fills_summary,
    in_order_sums,
    peak_exposure,
    piece_days,
)
from vigil_core.artemis.wide import ZERO, as_float, divided, is_less, minus, plus, rounded, times
from vigil_core.calendar import DAY_MS
from vigil_core.fills.machine_words import multiply_add
from vigil_core.fills.schema import MONEY, MONEY_SCALE

_ORDER = ("time", "block_number", "event_index")

_PART = 1 << 15
"""Rows."""

_MOST_USD = 1e15
"""Of one product: the sum of as many as there can be rows still fits 128 bits."""
_NEAR = 0.999
"""What is so close to a limit is left to those who know it exactly."""
_UNITS = 1e-12
_HALF_WORD = 3_037_000_499
"""Below it, a product of two fits 63 bits."""

_FILLS, _PIECES, _UNPRICED, _WINNING, _LOSING, _HOLD, _ENTRY, _EXIT, _BREAKS, _UNKNOWN, _CODE = (
    range(11)
)
_VOLUME, _CENSORED, _PEAK, _PROFIT, _LOSS, _NET, _HIGHEST, _LOWEST, _FALL = range(9)


@dataclass(frozen=True)
class WalletDay:
    """What became of one day: frames of `LOTS`, `HELD` (at its end), `PIECE_DAYS`, `SUMMARY`."""

    lots: pl.DataFrame
    held: pl.DataFrame
    piece_days: pl.DataFrame
    summary: pl.DataFrame
    pieces: int
    """How many there were."""


def wallet_day(
    fills: pl.DataFrame,
    lots: pl.DataFrame,
    held: pl.DataFrame | None = None,
    seen: pl.DataFrame | None = None,
) -> WalletDay:
    """One UTC day of perp fills, from the lots and what was held the day before.

    The arguments are those of `fifo.match` and of `wallet_profiles.peak_exposure`.

    Raises:
        QuantityTooLarge: a size, a start position or a fee has more digits than can be followed.
        TextMissing: an address or a coin is NULL.
        ExposureTooLarge: that of one coin is beyond 1e11 USD.
    """
    held = pl.DataFrame(schema=HELD) if held is None else held
    held = held.select(pl.col(name).cast(type_) for name, type_ in HELD.items())
    ordered = _ordered(fills)
    if ordered is None or any(column.has_nulls() for column in held):
        return _by_frames(fills, lots, held, seen)
    fills = ordered
    carried = carried_lots(lots, seen)
    address = Codes.of(fills["user_address"], carried["address"], held["address"])
    coin = Codes.of(fills["coin"], carried["coin"], held["coin"])
    positions = Positions.of(fills, carried, address, coin)
    found = Matching.of(positions, carried)
    if not positions.fees_fit:
        raise QuantityTooLarge("fees", LIMIT, MONEY_SCALE)
    sums = _Sums.of(positions, found, held)
    if sums is None:
        return _by_frames(fills, lots, held, seen)
    return WalletDay(
        lots=open_lots(fills, carried, positions, found),
        held=sums.held(fills, positions, found, held),
        piece_days=sums.piece_days(address),
        summary=sums.summary(address),
        pieces=len(found.sources),
    )


def _by_frames(
    fills: pl.DataFrame, lots: pl.DataFrame, held: pl.DataFrame, seen: pl.DataFrame | None
) -> WalletDay:
    matched = match(fills, lots, seen)
    exposure = peak_exposure(fills, held)
    return WalletDay(
        lots=matched.lots,
        held=exposure.held,
        piece_days=piece_days(matched.pieces),
        summary=fills_summary(fills, matched.positions, exposure.peaks),
        pieces=matched.pieces.height,
    )


def _ordered(fills: pl.DataFrame) -> pl.DataFrame | None:
    """Fills in the order of execution; None if they are not of one day or the order is open."""
    complete = ("time", "user_address", "coin", "px", "sz", "side")
    if fills.is_empty() or any(fills[name].has_nulls() for name in complete):
        return None
    if not _is_in_order(fills):
        if any(fills[name].has_nulls() for name in _ORDER):
            return None
        fills = fills.sort(_ORDER, maintain_order=True)
        if not _is_in_order(fills):
            return None
    first, last = fills["time"][0], fills["time"][-1]
    return fills if first // DAY_MS == last // DAY_MS else None


def _is_in_order(fills: pl.DataFrame) -> bool:
    # Without a block comes first, as where Polars sorts. Parts share a row with the next one.
    order = pl.col(_ORDER).cast(pl.Int64).fill_null(-1)
    starts = range(0, fills.height, _PART)
    parts = (fills.slice(start, _PART + 1).select(order) for start in starts)
    return all(_compiled_in_order(*map(numbers, part)) for part in parts)


def _in_order(time: Numbers, block: Numbers, index: Numbers) -> bool:
    """Whether every row comes after the one before it."""
    for row in range(1, len(time)):
        if time[row] > time[row - 1]:
            continue
        if time[row] < time[row - 1] or block[row] < block[row - 1]:
            return False
        if block[row] == block[row - 1] and index[row] <= index[row - 1]:
            return False
    return True


_compiled_in_order: Any = njit(cache=True, nogil=True)(_in_order)


# --- the loop ------------------------------------------------------------------------------


def _share(rest: int, part: int, size: int) -> int:
    """`rest * part / size`, rounded down; neither factor is below 0 or above the size."""
    if size < _HALF_WORD:
        return rest * part // size
    low, high = multiply_add(np.uint64(rest), np.uint64(part), np.uint64(0))
    quotient, _ = divided((np.int64(low), np.int64(high)), size)
    return int(quotient[0])


_compiled_share: Any = njit(cache=True, nogil=True)(_share)


def _fee_part(fee: int, size: int, start: int, end: int) -> int:
    """What a stretch of the quantity of a fill costs: the difference of two shares cut down."""
    if fee == 0 or (start == 0 and end == size):
        return fee
    each = fee // size
    rest = fee - each * size
    upper = _compiled_share(rest, end, size) if end != size else rest
    lower = _compiled_share(rest, start, size) if start != 0 else 0
    return each * (end - start) + upper - lower


_compiled_fee_part: Any = njit(cache=True, nogil=True)(_fee_part)


def _usd(price: int, quantity: int, raised: int, cut: int) -> Any:
    """Their product at the twelfth decimal, from the decimals that the two have together."""
    product = times(price, quantity)
    if cut != 1:
        return rounded(product, cut)
    return times(product, raised)


_compiled_usd: Any = njit(cache=True, nogil=True)(_usd)


def _by_address(address: Numbers, places: Numbers, by_time: Numbers, starts: Numbers) -> None:
    """Places of the fills of each address in the order of execution."""
    for row in range(len(address)):
        starts[address[row] + 1] += 1
    for code in range(len(starts) - 1):
        starts[code + 1] += starts[code]
    for row in range(len(address)):
        by_time[starts[address[row]]] = places[row]
        starts[address[row]] += 1


_compiled_by_address: Any = njit(cache=True, nogil=True)(_by_address)


def _add_up(
    by_time: Numbers,
    facts: Numbers,
    floats: Numbers,
    units: Numbers,
    price_units: Numbers,
    raised: Numbers,
    cut: Numbers,
    firsts: Numbers,
    censored: Numbers,
    breaks: Numbers,
    start_unknown: Numbers,
    first_piece: Numbers,
    sources: Numbers,
    taken: Numbers,
    left: Numbers,
    used: Numbers,
    lot_sizes: Numbers,
    held_keys: Numbers,
    held_positions: Numbers,
    held_prices: Numbers,
    owners: Numbers,
    position_now: Numbers,
    worth_now: Numbers,
    percents: Numbers,
    counts: Numbers,
    sums: Numbers,
    after: Numbers,
) -> int:
    """Sums of one wallet after the other; gives how many there are, or -1 if one does not fit.

    `owners`, `position_now` and `worth_now`: whose position of a coin was seen last, and it.
    One function: arrays handed from one compiled function to another cost more than the work.
    """
    fills = len(by_time)
    wallets = pieces = at = position = next_held = 0
    while at < fills:
        own = facts[by_time[at], PLACE] >> 32
        total = ZERO
        while next_held < len(held_keys) and held_keys[next_held] >> 32 <= own:
            if held_keys[next_held] >> 32 == own:
                coin = held_keys[next_held] & COIN_BITS
                held = (held_positions[next_held, 0], held_positions[next_held, 1])
                size = minus(0, held) if held[1] < 0 else held
                worth = times(size, held_prices[next_held])
                owners[coin] = own
                position_now[coin, 0], position_now[coin, 1] = held
                worth_now[coin, 0], worth_now[coin, 1] = worth
                total = plus(total, worth)
            next_held += 1
        first, first_of_pieces = at, pieces
        unpriced = winning = losing = hold = 0
        first_entry, last_exit = LIMIT, -LIMIT
        volume = peak = profit = loss = level = highest = lowest = fall = ZERO
        while at < fills:
            place = by_time[at]
            if facts[place, PLACE] >> 32 != own:
                break
            at += 1
            coin = facts[place, PLACE] & COIN_BITS
            signed = facts[place, SIGNED]
            size = abs(signed)
            price = facts[place, PRICE]
            dollar = floats[place, DOLLARS]
            unit = units[coin]
            # What is held, and its worth.
            if owners[coin] == own:
                before = (position_now[coin, 0], position_now[coin, 1])
                worth_before = (worth_now[coin, 0], worth_now[coin, 1])
            else:
                before = worth_before = ZERO
            start = facts[place, START]
            if start != NO_START:
                holds = plus(times(start + signed, unit), facts[place, REST])
            else:
                holds = plus(before, times(signed, unit))
            amount = minus(0, holds) if holds[1] < 0 else holds
            if as_float(amount) * _UNITS * dollar > LARGEST_USD * _NEAR:
                return -1
            if np.float64(size) * unit * _UNITS * dollar > _MOST_USD:
                return -1
            worth = times(amount, price * price_units[coin])
            total = plus(total, minus(worth, worth_before))
            if is_less(peak, total):
                peak = total
            owners[coin] = own
            position_now[coin, 0], position_now[coin, 1] = holds
            worth_now[coin, 0], worth_now[coin, 1] = worth
            volume = plus(volume, _compiled_usd(price, size, raised[coin], cut[coin]))
            # What it closes.
            fee, now = facts[place, FEE], facts[place, TIME]
            for piece in range(first_piece[place], first_piece[place + 1]):
                source = np.int64(sources[piece])
                quantity = taken[piece]
                entry_price, entry_dollar = facts[source, PRICE], floats[source, DOLLARS]
                if np.float64(quantity) * unit * _UNITS * (entry_dollar + dollar) > _MOST_USD:
                    return -1
                entered = facts[source, TIME]
                hold += now - entered
                first_entry = min(first_entry, entered)
                last_exit = now
                percent = np.nan
                if entry_dollar != 0:
                    percent = 100 * (dollar - entry_dollar) / entry_dollar
                percents[pieces] = percent if signed < 0 else -percent
                pieces += 1
                entry_fee = facts[source, FEE]
                if fee == NO_FEE or entry_fee == NO_FEE:
                    unpriced += 1
                    continue
                if source < fills:
                    entry_size = abs(facts[source, SIGNED])
                else:
                    entry_size = lot_sizes[source - fills]
                entry_used = entry_size - left[piece]
                done = used[piece]
                closing = _compiled_fee_part(fee, size, done, done + quantity)
                opening = _compiled_fee_part(
                    entry_fee, entry_size, entry_used, entry_used + quantity
                )
                gained = quantity if signed < 0 else -quantity
                gross = _compiled_usd(price - entry_price, gained, raised[coin], cut[coin])
                net = minus(minus(gross, closing), opening)
                if net[1] < 0:
                    losing += 1
                    loss = plus(loss, net)
                elif net[0] != 0 or net[1] != 0:
                    winning += 1
                    profit = plus(profit, net)
                level = plus(level, net)
                if is_less(highest, level):
                    highest = level
                if is_less(level, lowest):
                    lowest = level
                down = minus(highest, level)
                if is_less(fall, down):
                    fall = down
        counts[wallets, _FILLS] = at - first
        counts[wallets, _PIECES] = pieces - first_of_pieces
        counts[wallets, _UNPRICED] = unpriced
        counts[wallets, _WINNING] = winning
        counts[wallets, _LOSING] = losing
        counts[wallets, _HOLD] = hold
        counts[wallets, _ENTRY] = first_entry
        counts[wallets, _EXIT] = last_exit
        counts[wallets, _CODE] = own
        closed_unknown = ZERO
        gaps = unknown = 0
        while position < len(firsts) and facts[firsts[position], PLACE] >> 32 == own:
            coin = facts[firsts[position], PLACE] & COIN_BITS
            after[position, 0], after[position, 1] = position_now[coin, 0], position_now[coin, 1]
            closed_unknown = plus(closed_unknown, times(censored[position], units[coin]))
            gaps += breaks[position]
            unknown |= start_unknown[position]
            position += 1
        counts[wallets, _BREAKS] = gaps
        counts[wallets, _UNKNOWN] = unknown
        sums[wallets, _VOLUME, 0], sums[wallets, _VOLUME, 1] = volume
        sums[wallets, _CENSORED, 0], sums[wallets, _CENSORED, 1] = closed_unknown
        sums[wallets, _PEAK, 0], sums[wallets, _PEAK, 1] = peak
        sums[wallets, _PROFIT, 0], sums[wallets, _PROFIT, 1] = profit
        sums[wallets, _LOSS, 0], sums[wallets, _LOSS, 1] = loss
        sums[wallets, _NET, 0], sums[wallets, _NET, 1] = level
        sums[wallets, _HIGHEST, 0], sums[wallets, _HIGHEST, 1] = highest
        sums[wallets, _LOWEST, 0], sums[wallets, _LOWEST, 1] = lowest
        sums[wallets, _FALL, 0], sums[wallets, _FALL, 1] = fall
        wallets += 1
    return wallets


_compiled_add_up: Any = njit(cache=True, nogil=True)(_add_up)


# --- sums → frames -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sums:
    """What the loop added up, per wallet with fills; `after` per position, `percents` per piece."""

    day: int
    counts: Numbers
    sums: Numbers
    percents: Numbers
    after: Numbers

    @classmethod
    def of(cls, positions: Positions, found: Matching, held: pl.DataFrame) -> "_Sums | None":
        """None if something does not fit."""
        price_decimals = positions.price_decimals
        if price_decimals is None:
            return None
        usd = pl.col("position").cast(pl.Float64) * pl.col("px").cast(pl.Float64)
        if held.select((usd.abs() > LARGEST_USD * _NEAR).any()).item():
            return None
        held_prices = halves(held["px"])
        if (held_prices[:, 1] != 0).any() or (held_prices[:, 0] < 0).any():
            return None
        count, rows = positions.fills, len(positions.facts)
        wallets, coins = len(positions.address.texts), len(positions.coin.texts)
        starts, by_time = np.zeros(wallets + 1, np.int64), np.empty(count, np.int32)
        _compiled_by_address(
            positions.address.codes[:count], positions.places[:count], by_time, starts
        )
        keys = positions.address.codes[rows:].astype(np.int64) << 32 | positions.coin.codes[rows:]
        order = np.argsort(keys, kind="stable")
        together = positions.decimals + price_decimals
        percents: Numbers = np.empty(len(found.sources))
        counts: Numbers = np.empty((wallets, 11), np.int64)
        sums: Numbers = np.empty((wallets, 9, 2), np.int64)
        after: Numbers = np.empty((len(found.firsts), 2), np.int64)
        added = _compiled_add_up(
            by_time,
            positions.facts,
            positions.facts.view(np.float64),
            POWERS[MONEY_SCALE - positions.decimals],
            POWERS[MONEY_SCALE - price_decimals],
            POWERS[np.maximum(MONEY_SCALE - together, 0)],
            POWERS[np.maximum(together - MONEY_SCALE, 0)],
            found.firsts,
            found.censored,
            found.breaks,
            found.start_unknown,
            found.first_piece,
            found.sources,
            found.taken,
            found.left,
            found.used,
            positions.lot_sizes,
            keys[order],
            halves(held["position"])[order],
            held_prices[order, 0],
            np.full(coins, -1, np.int64),
            np.empty((coins, 2), np.int64),
            np.empty((coins, 2), np.int64),
            percents,
            counts,
            sums,
            after,
        )
        if added < 0:
            return None
        first = int(positions.facts[by_time[0], TIME])
        return cls(first - first % DAY_MS, counts[:added], sums[:added], percents, after)

    def piece_days(self, address: Codes) -> pl.DataFrame:
        """Rows of `PIECE_DAYS`."""
        own = self.counts[:, _PIECES] > 0
        counts, sums = self.counts[own], self.sums[own]
        lengths = pl.Series(counts[:, _PIECES])
        return self._frame(
            address,
            counts,
            {
                "trade_count": lengths,
                "unpriced_pieces": counts[:, _UNPRICED],
                "winning_pieces": counts[:, _WINNING],
                "losing_pieces": counts[:, _LOSING],
                "gross_profit_usd": decimals_of(sums[:, _PROFIT]),
                "gross_loss_usd": decimals_of(sums[:, _LOSS]),
                "net_pnl_usd": decimals_of(sums[:, _NET]),
                "highest_usd": decimals_of(sums[:, _HIGHEST]),
                "lowest_usd": decimals_of(sums[:, _LOWEST]),
                "fall_usd": decimals_of(sums[:, _FALL]),
                "hold_ms": counts[:, _HOLD],
                "pnl_pct_sum": in_order_sums(pl.Series(self.percents), lengths),
                "first_entry": counts[:, _ENTRY],
                "last_exit": counts[:, _EXIT],
            },
            PIECE_DAYS,
        )

    def summary(self, address: Codes) -> pl.DataFrame:
        """Rows of `SUMMARY`."""
        peaks = decimals_of(self.sums[:, _PEAK]).to_physical().rename("peak").to_frame()
        one = pl.lit(10**MONEY_SCALE, pl.Int128)
        return self._frame(
            address,
            self.counts,
            {
                "fill_count": self.counts[:, _FILLS],
                "volume_usd": decimals_of(self.sums[:, _VOLUME]),
                "peak_exposure_usd": peaks.select((pl.col("peak") // one).reinterpret(dtype=MONEY))[
                    "peak"
                ],
                "censored_qty": decimals_of(self.sums[:, _CENSORED]),
                "continuity_breaks": self.counts[:, _BREAKS],
                "start_unknown": self.counts[:, _UNKNOWN] != 0,
            },
            SUMMARY,
        )

    def _frame(
        self,
        address: Codes,
        counts: Numbers,
        columns: dict[str, Any],
        schema: dict[str, pl.DataType],
    ) -> pl.DataFrame:
        codes = counts[:, _CODE]
        days = pl.repeat(self.day, len(codes), dtype=pl.Int64, eager=True)
        frame = pl.DataFrame({"address": address.column(codes), "day": days} | columns)
        return frame.select(pl.col(name).cast(type_) for name, type_ in schema.items())

    def held(
        self, fills: pl.DataFrame, positions: Positions, found: Matching, before: pl.DataFrame
    ) -> pl.DataFrame:
        """Rows of `HELD` at the end of the day."""
        lasts = np.append(found.firsts[1:], positions.fills) - 1
        prices = fills["px"].gather(pl.Series(positions.rows[lasts]))
        now = pl.DataFrame(
            positions.keys(found.firsts) | {"position": decimals_of(self.after), "px": prices}
        )
        if not before.is_empty():
            by_coin = ["address", "coin"]
            untouched = before.join(now, on=by_coin, how="anti")
            now = pl.concat([now, untouched]).sort(by_coin)
        return now.filter(pl.col("position") != 0)
