"""Fills and carried lots as integers, position by position, and the loop that matches them.

A row is a fill, in the order of execution, or behind all of those a carried lot, by position. A
place is the same with the fills by position, too: by address, then coin, then as they come. So
what belongs together lies together, and the loops go through memory from front to back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numba import njit

from vigil_core.artemis.text_codes import Codes, Numbers
from vigil_core.errors import VigilError
from vigil_core.fills.schema import MONEY, MONEY_SCALE

ONE = 10**MONEY_SCALE
START_STEP = 10**4
"""1e-8 at the twelfth decimal: what start positions are taken to, and how far they may be off."""

LIMIT = 1 << 62
"""Of scaled quantities: the sum of two still fits."""

NO_START = -(1 << 63)
NO_FEE = -(1 << 63)
SIGNED, START, REST, PLACE, PRICE, FEE, TIME, DOLLARS = range(8)
COIN_BITS = (1 << 32) - 1
POWERS = np.array([10**n for n in range(MONEY_SCALE + 1)], np.int64)
_LIMITS = LIMIT // POWERS - 1
"""Of whole parts, by the decimals behind them."""

_PART = 1 << 15
"""Rows."""
_MOST_PRICE = LIMIT - 2 * ONE
"""At the twelfth decimal."""

_FIVES = 5**MONEY_SCALE
_LOW_HALF = (1 << 32) - 1
_LOW_TWOS = (1 << MONEY_SCALE) - 1


class QuantityTooLarge(VigilError):
    """A size, position or fee does not fit 63 bits at its scale; nothing was computed from it."""

    def __init__(self, what: str, limit: int, decimals: int) -> None:
        super().__init__(
            f"expected {what} below {limit} units of 1e-{decimals}, found a larger one"
        )


# --- decimals → integers -------------------------------------------------------------------


def halves(money: pl.Series) -> Numbers:
    """Decimals as rows of their low and their high 64 bits; NULL as 0."""
    if money.null_count():
        money = money.fill_null(0)
    array = money.rechunk().to_arrow()
    words: Numbers = np.frombuffer(array.buffers()[1] or b"", np.int64).reshape(-1, 2)
    return words[array.offset : array.offset + len(array)]


def numbers(values: pl.Series) -> Numbers:
    """Values without NULL, read-only however they lie: compiled code exists for one kind."""
    array: Numbers = values.rechunk().to_numpy().view()
    array.flags.writeable = False
    return array


def _float_bits(money: pl.Series) -> Numbers:
    """Decimals as floats, as Polars makes them, in the bits of integers; NULL as 0."""
    return numbers(money.cast(pl.Float64).fill_null(0)).view(np.int64)


def decimals_of(pairs: Numbers) -> pl.Series:
    """The reverse: rows of low and high 64 bits as decimals."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(pairs))]
    type_ = pa.decimal128(38, MONEY_SCALE)
    found = pl.from_arrow(pa.Array.from_buffers(type_, len(pairs), buffers))
    assert isinstance(found, pl.Series)
    return found


def _split(low: int, high: int) -> tuple[int, int]:
    """Whole part, `LIMIT` for all that is beyond, and twelve decimals, never negative."""
    if high == low >> 63:
        whole = low // ONE
        return whole, low - whole * ONE
    is_negative = high < 0
    if is_negative:
        high = ~high + (low == 0)
        low = -low
    # By 2 ** 12, then by 5 ** 12 in digits of 32 bits.
    rest = high >> MONEY_SCALE
    if rest > _FIVES >> 2:
        return (-LIMIT if is_negative else LIMIT), 0
    digits = high << (64 - MONEY_SCALE) | (low >> MONEY_SCALE & (1 << (64 - MONEY_SCALE)) - 1)
    rest = rest << 32 | (digits >> 32 & _LOW_HALF)
    whole = rest // _FIVES
    rest = (rest - whole * _FIVES) << 32 | (digits & _LOW_HALF)
    last = rest // _FIVES
    whole = whole << 32 | last
    fraction = (rest - last * _FIVES) << MONEY_SCALE | (low & _LOW_TWOS)
    if not is_negative:
        return whole, fraction
    return (-whole - 1, ONE - fraction) if fraction else (-whole, 0)


_compiled_split: Any = njit(cache=True, nogil=True)(_split)


def _nearest(whole: int, fraction: int, step: int) -> tuple[int, int]:
    """To the nearest multiple of a step, the higher of two."""
    if step == 1:
        return whole, fraction
    fraction = (fraction + START_STEP // 2) // START_STEP * START_STEP
    return (whole + 1, 0) if fraction == ONE else (whole, fraction)


_compiled_nearest: Any = njit(cache=True, nogil=True)(_nearest)


def _widen(values: Numbers, codes: Numbers, step: int, powers: Numbers, decimals: Numbers) -> bool:
    """Raise the decimals of each coin to what its quantities need. False: one is too large."""
    for row in range(len(values)):
        whole, fraction = _compiled_split(values[row, 0], values[row, 1])
        whole, fraction = _compiled_nearest(whole, fraction, step)
        if whole >= LIMIT or whole <= -LIMIT:
            return False
        code = codes[row]
        while fraction % powers[MONEY_SCALE - decimals[code]] != 0:
            decimals[code] += 1
    return True


def _scale(
    values: Numbers,
    codes: Numbers,
    step: int,
    powers: Numbers,
    limits: Numbers,
    decimals: Numbers,
    result: Numbers,
    rest: Numbers,
) -> int:
    """Values at the scale of their coin; gives the row that does not fit, or -1.

    What lies beyond the step goes into `rest`, unless the step is 1.
    """
    for row in range(len(values)):
        whole, exact = _compiled_split(values[row, 0], values[row, 1])
        floor = whole
        whole, fraction = _compiled_nearest(whole, exact, step)
        digits = decimals[codes[row]]
        if whole > limits[digits] or whole < -limits[digits]:
            return row
        result[row] = whole * powers[digits] + fraction // powers[MONEY_SCALE - digits]
        if step != 1:
            rest[row] = exact - fraction - (whole - floor) * ONE
    return -1


_compiled_widen: Any = njit(cache=True, nogil=True)(_widen)
_compiled_scale: Any = njit(cache=True, nogil=True)(_scale)


class _Scales:
    """The decimals that the values of each coin need, and values as integers at them."""

    def __init__(self, coins: int) -> None:
        self.decimals: Numbers = np.zeros(coins, np.int64)

    def widen(self, values: Numbers, codes: Numbers, step: int = 1) -> None:
        """Make room for values; all of them must have been here before any is scaled."""
        if not _compiled_widen(values, codes, step, POWERS, self.decimals):
            raise QuantityTooLarge("quantities", LIMIT, 0)

    def scaled(
        self, what: str, values: Numbers, codes: Numbers, step: int = 1
    ) -> tuple[Numbers, Numbers]:
        """Integers, and what lies beyond the step at the twelfth decimal."""
        result: Numbers = np.empty(len(values), np.int64)
        rest: Numbers = np.empty(len(values) if step != 1 else 0, np.int16)
        row = _compiled_scale(values, codes, step, POWERS, _LIMITS, self.decimals, result, rest)
        if row >= 0:
            raise QuantityTooLarge(what, LIMIT, int(self.decimals[codes[row]]))
        return result, rest


def _sort(
    address: Numbers, coin: Numbers, addresses: int, coins: int, order: Numbers, places: Numbers
) -> None:
    """Rows by address, then coin, then as they come: two counting sorts."""
    by_coin = np.empty(len(address), np.int32)
    ends = np.zeros(coins + 1, np.int64)
    for row in range(len(coin)):
        ends[coin[row] + 1] += 1
    for code in range(coins):
        ends[code + 1] += ends[code]
    for row in range(len(coin)):
        by_coin[ends[coin[row]]] = row
        ends[coin[row]] += 1
    ends = np.zeros(addresses + 1, np.int64)
    for row in range(len(address)):
        ends[address[row] + 1] += 1
    for code in range(addresses):
        ends[code + 1] += ends[code]
    for at in range(len(by_coin)):
        row = int(by_coin[at])
        place = ends[address[row]]
        order[place] = row
        places[row] = place
        ends[address[row]] += 1


def _lay_out(
    places: Numbers,
    address: Numbers,
    coin: Numbers,
    signed: Numbers,
    sells: Numbers,
    start: Numbers,
    no_start: Numbers,
    rest: Numbers,
    price: Numbers,
    fee: Numbers,
    no_fee: Numbers,
    time: Numbers,
    dollars: Numbers,
    facts: Numbers,
) -> bool:
    """Bring columns side by side. False: a fee is too large, and 0 stands for it."""
    fits = True
    for row in range(len(places)):
        place = places[row]
        facts[place, SIGNED] = -signed[row] if sells[row] else signed[row]
        facts[place, START] = NO_START if no_start[row] else start[row]
        facts[place, REST] = rest[row]
        facts[place, PLACE] = np.int64(address[row]) << 32 | coin[row]
        facts[place, PRICE] = price[row]
        low = fee[row, 0]
        if fee[row, 1] != low >> 63 or low >= LIMIT or low <= -LIMIT:
            fits = False
            low = 0
        facts[place, FEE] = NO_FEE if no_fee[row] else low
        facts[place, TIME] = time[row]
        facts[place, DOLLARS] = dollars[row]
    return fits


_compiled_sort: Any = njit(cache=True, nogil=True)(_sort)
_compiled_lay_out: Any = njit(cache=True, nogil=True)(_lay_out)


def _of_fills(fills: pl.DataFrame) -> pl.DataFrame:
    return fills.select("time", "fee", "side", size="sz", start="start_position", price="px")


def _of_lots(carried: pl.DataFrame) -> pl.DataFrame:
    """As if they were fills; quantities have their sign already."""
    return carried.select(
        "price",
        time="opened_at",
        fee="fill_fee",
        side=pl.lit("B"),
        size="qty",
        start=pl.lit(None, MONEY),
    )


def _parts(frame: pl.DataFrame, first_row: int) -> Iterator[tuple[slice, pl.DataFrame]]:
    """So many rows at a time that what is made of them stays in the processor's cache."""
    for start in range(0, frame.height, _PART):
        part = frame.slice(start, _PART)
        yield slice(first_row + start, first_row + start + part.height), part


def _are_small(prices: Numbers) -> bool:
    low, high = prices[:, 0], prices[:, 1]
    return not (high.any() or (low < 0).any() or (low > _MOST_PRICE).any())


@dataclass(frozen=True)
class Positions:
    """Fills and, behind them, carried lots, by place."""

    fills: int
    """How many there are."""
    facts: Numbers
    """What the loops read of a place, side by side, in 64 bits.

    `SIGNED`: of a fill, positive for a buy; of a lot, what is left. `START`: of a fill the
    position before, `NO_START` where unknown; `REST`: what that has beyond, at the twelfth
    decimal. `PLACE`: code of the address and, in the lower 32 bits, of the coin. `PRICE`: at the
    scale of prices; `DOLLARS`: the same as the bits of a float; `FEE`: at the twelfth decimal, or
    `NO_FEE`; `TIME`. Of a lot, these four are of the fill that opened it.
    """
    lot_sizes: Numbers
    """Per carried lot: size of the fill that opened it, 0 where that is unknown."""
    decimals: Numbers
    """Of quantities, per coin."""
    price_decimals: Numbers | None
    """Of prices, per coin; None if a price does not fit, and then all are 0."""
    fees_fit: bool
    """Whether the fees are right: one that is too large is 0."""
    rows: Numbers
    """Per place: its row."""
    places: Numbers
    """Per row: its place."""
    address: Codes
    coin: Codes

    @classmethod
    def of(
        cls, fills: pl.DataFrame, carried: pl.DataFrame, address: Codes, coin: Codes
    ) -> "Positions":
        """Fills in the order of execution and lots by position; their codes are the first ones.

        Raises:
            QuantityTooLarge: a size, a start position or a lot.
        """
        count, rows = len(fills), len(fills) + len(carried)
        addresses, coins = address.codes[:rows], coin.codes[:rows]
        order, places = np.arange(rows, dtype=np.int32), np.arange(rows, dtype=np.int32)
        different = (len(address.texts), len(coin.texts))
        _compiled_sort(addresses[:count], coins[:count], *different, order[:count], places[:count])
        sources = (("sizes", 0, _of_fills(fills)), ("lots", count, _of_lots(carried)))
        quantities, prices = _Scales(len(coin.texts)), _Scales(len(coin.texts))
        prices_fit = True
        for _, first_row, frame in sources:
            for own, part in _parts(frame, first_row):
                quantities.widen(halves(part["size"]), coins[own])
                quantities.widen(halves(part["start"]), coins[own], START_STEP)
                price = halves(part["price"])
                if prices_fit and _are_small(price):
                    prices.widen(price, coins[own])
                else:
                    prices_fit = False
        quantities.widen(halves(carried["fill_sz"]), coins[count:])
        facts: Numbers = np.empty((rows, 8), np.int64)
        fees_fit = True
        for what, first_row, frame in sources:
            for own, part in _parts(frame, first_row):
                signed, _ = quantities.scaled(what, halves(part["size"]), coins[own])
                start, rest = quantities.scaled(
                    "start positions", halves(part["start"]), coins[own], START_STEP
                )
                if prices_fit:
                    price, _ = prices.scaled("prices", halves(part["price"]), coins[own])
                else:
                    price = np.zeros(part.height, np.int64)
                fees_fit &= _compiled_lay_out(
                    places[own],
                    addresses[own],
                    coins[own],
                    signed,
                    (part["side"] != "B").to_numpy(),
                    start,
                    part["start"].is_null().to_numpy(),
                    rest,
                    price,
                    halves(part["fee"]),
                    part["fee"].is_null().to_numpy(),
                    numbers(part["time"].fill_null(0)),
                    _float_bits(part["price"]),
                    facts,
                )
        lot_sizes, _ = quantities.scaled("sizes", halves(carried["fill_sz"]), coins[count:])
        return cls(
            fills=count,
            facts=facts,
            lot_sizes=lot_sizes,
            decimals=quantities.decimals,
            price_decimals=prices.decimals if prices_fit else None,
            fees_fit=fees_fit,
            rows=order,
            places=places,
            address=address,
            coin=coin,
        )

    def coins(self, places: Numbers) -> Numbers:
        """Codes of the coins at these places."""
        codes: Numbers = self.facts[places, PLACE] & COIN_BITS
        return codes

    def keys(self, places: Numbers) -> dict[str, pl.Series]:
        """Columns `address` and `coin` of these places."""
        codes = self.facts[places, PLACE]
        return {
            "address": self.address.column(codes >> 32),
            "coin": self.coin.column(codes & COIN_BITS),
        }

    def money(self, values: Numbers, coins: Numbers) -> pl.Series:
        """Quantities of these coins as decimals."""
        units = pl.DataFrame({"value": values, "unit": POWERS[MONEY_SCALE - self.decimals[coins]]})
        product = pl.col("value").cast(pl.Int128) * pl.col("unit")
        return units.select(value=product.reinterpret(dtype=MONEY))["value"]


# --- the loop ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matching:
    """What the loop found.

    A source is the place of a fill or of a carried lot, or the one behind those: unknown.
    """

    sources: Numbers
    """Per piece: what opened its lot."""
    taken: Numbers
    """Per piece: quantity, positive."""
    left: Numbers
    """Per piece: what was left of the lot before, positive."""
    used: Numbers
    """Per piece: what the closing fill had closed before."""
    first_piece: Numbers
    """Per place of a fill: its first piece, if it has any; and how many pieces there are."""
    lot_sources: Numbers
    lot_left: Numbers
    """Per open lot; signed."""
    lot_places: Numbers
    """Per open lot: some place of its position."""
    firsts: Numbers
    """Per position: place of its first fill."""
    censored: Numbers
    breaks: Numbers
    start_unknown: Numbers

    @property
    def exits(self) -> Numbers:
        """Per piece: place of the closing fill."""
        counts: Numbers = self.first_piece[1:].astype(np.int64) - self.first_piece[:-1]
        exits: Numbers = np.repeat(np.arange(len(counts)), counts)
        return exits

    @classmethod
    def of(cls, positions: Positions, carried: pl.DataFrame) -> "Matching":
        """Match the fills of all positions.

        Raises:
            QuantityTooLarge: a position, or what was closed of unknown entry.
        """
        fills, rows = positions.fills, len(positions.facts)
        most = rows + fills
        sources: Numbers = np.empty(most, np.uint32)
        quantities: list[Numbers] = [np.empty(most, np.int64) for _ in range(3)]
        first_piece: Numbers = np.empty(fills + 1, np.uint32)
        lots: list[Numbers] = [
            np.empty(most, np.uint32),
            np.empty(most, np.int64),
            np.empty(most, np.uint32),
        ]
        found = [np.empty(fills, np.int64) for _ in range(4)]
        counts = np.zeros(3, np.int64)
        fits = _compiled_match(
            fills,
            positions.facts,
            POWERS[MONEY_SCALE - positions.decimals],
            carried["price"].is_not_null().to_numpy(),
            np.empty((2, rows + 1), np.int64),
            sources,
            *quantities,
            first_piece,
            *lots,
            *found,
            counts,
        )
        if not fits:
            raise QuantityTooLarge("positions and closed quantities", LIMIT, 0)
        piece_count, lot_count, position_count = counts
        return cls(
            *[*(column[:piece_count] for column in [sources, *quantities]), first_piece],
            *(column[:lot_count] for column in lots),
            *(column[:position_count] for column in found),
        )


def _match(
    fills: int,
    facts: Numbers,
    units: Numbers,
    known: Numbers,
    queue: Numbers,
    sources: Numbers,
    taken: Numbers,
    left: Numbers,
    used: Numbers,
    first_piece: Numbers,
    lot_sources: Numbers,
    lot_left: Numbers,
    lot_places: Numbers,
    firsts: Numbers,
    censored: Numbers,
    breaks: Numbers,
    start_unknown: Numbers,
    counts: Numbers,
) -> bool:
    """One position after the other; the queue is emptied in between. False: a sum grew too large.

    One function: arrays handed from one compiled function to another cost more than the work.
    """
    everything = len(facts)
    unknown = everything
    pieces = lots = positions = 0
    next_carried = fills
    at = 0
    while at < fills:
        first = at
        key = facts[first, PLACE]
        unit = units[key & COIN_BITS]
        head = tail = 0
        seen = False
        position = 0
        while next_carried < everything and facts[next_carried, PLACE] <= key:
            quantity = facts[next_carried, SIGNED]
            source = next_carried if known[next_carried - fills] else unknown
            if facts[next_carried, PLACE] == key:
                seen = True
                if quantity != 0:
                    queue[0, tail] = source
                    queue[1, tail] = quantity
                    position += quantity
                    tail += 1
                    if position >= LIMIT or position <= -LIMIT:
                        return False
            elif quantity != 0:
                lot_sources[lots] = source
                lot_left[lots] = quantity
                lot_places[lots] = next_carried
                lots += 1
            next_carried += 1
        firsts[positions] = first
        start_unknown[positions] = not seen and facts[first, START] == NO_START
        closed_unknown = 0
        gaps = 0
        while at < fills:
            if facts[at, PLACE] != key:
                break
            row = at
            at += 1
            first_piece[row] = pieces
            start = facts[row, START]
            if start != NO_START:
                off = position - start
                continues = -2 * START_STEP <= off <= 2 * START_STEP and (
                    -START_STEP <= off * unit - facts[row, REST] <= START_STEP
                )
                if not continues:
                    gaps += seen
                    head = tail = 0
                    position = start
                    if position != 0:
                        queue[0, 0] = unknown
                        queue[1, 0] = position
                        tail = 1
            seen = True
            remaining = facts[row, SIGNED]
            position += remaining
            if position >= LIMIT or position <= -LIMIT:
                return False
            done = 0
            while remaining != 0 and head < tail and (queue[1, head] > 0) != (remaining > 0):
                lot = queue[1, head]
                quantity = min(abs(lot), abs(remaining))
                if queue[0, head] == unknown:
                    closed_unknown += quantity
                    if closed_unknown >= LIMIT:
                        return False
                else:
                    sources[pieces] = queue[0, head]
                    taken[pieces] = quantity
                    left[pieces] = abs(lot)
                    used[pieces] = done
                    pieces += 1
                done += quantity
                step = quantity if remaining > 0 else -quantity
                remaining -= step
                queue[1, head] = lot + step
                if lot + step == 0:
                    head += 1
            if head == tail:
                head = tail = 0
            if remaining != 0:
                queue[0, tail] = row
                queue[1, tail] = remaining
                tail += 1
        censored[positions] = closed_unknown
        breaks[positions] = gaps
        positions += 1
        for place in range(head, tail):
            lot_sources[lots] = queue[0, place]
            lot_left[lots] = queue[1, place]
            lot_places[lots] = first
            lots += 1
    while next_carried < everything:
        if facts[next_carried, SIGNED] != 0:
            lot_sources[lots] = next_carried if known[next_carried - fills] else unknown
            lot_left[lots] = facts[next_carried, SIGNED]
            lot_places[lots] = next_carried
            lots += 1
        next_carried += 1
    first_piece[fills] = pieces
    counts[0], counts[1], counts[2] = pieces, lots, positions
    return True


_compiled_match: Any = njit(cache=True, nogil=True)(_match)
