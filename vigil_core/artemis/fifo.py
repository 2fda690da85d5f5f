"""First in, first out, by quantity: one day's perp fills and the lots carried into it → pieces.

A piece is the overlap of one lot with one fill against it, long and short alike. Quantities are
followed in 64-bit integers at the scale of their coin, by one compiled loop over a stable sort;
prices and fees are joined to its result afterwards, in 128 bits. Nothing passes through a float.

**A fill's fee** lies evenly along its quantity, which is used up from one end: first by the
closings it makes, oldest lot first, then, as a lot, by the fills that close it. The part of the
fee from the start of that line to a point on it is cut down to the twelfth decimal, and what a
stretch of the line costs is the difference of its ends. So the fees of all pieces and of the lots
still open add up to the fees of the fills exactly, and a lot needs nothing of its history but
what is left of it.

**A start position** counts to the eighth decimal: the exchange prints doubles, whose noise is
below that. Whether a position continues the lots is decided on all twelve.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numba import njit

from vigil_core.errors import VigilError
from vigil_core.fills.schema import MONEY, MONEY_SCALE

LOTS: dict[str, pl.DataType] = {
    "address": pl.String(),
    "coin": pl.String(),
    "sequence": pl.Int64(),
    "qty": MONEY,
    "price": MONEY,
    "opened_at": pl.Int64(),
    "fill_sz": MONEY,
    "fill_fee": MONEY,
}
"""Open lots, sorted by address, coin and `sequence`, which counts from 0, the oldest.

`qty` in base units, negative for a short. `price` NULL: a position from before the first fill
seen, or from a gap; then `opened_at` (ms UTC), `fill_sz` and `fill_fee` are NULL too. The latter
two are size and fee (USD) of the whole fill that opened the lot; of it `qty` is the last part."""

PIECES: dict[str, pl.DataType] = {
    "address": pl.String(),
    "coin": pl.String(),
    "entry_at": pl.Int64(),
    "exit_at": pl.Int64(),
    "exit_block": pl.Int64(),
    "exit_index": pl.Int32(),
    "piece": pl.Int32(),
    "direction": pl.String(),
    "qty": MONEY,
    "entry_px": MONEY,
    "exit_px": MONEY,
    "gross": MONEY,
    "fees": MONEY,
    "net": MONEY,
    "hold_ms": pl.Int64(),
}
"""Sorted by address, coin and order of exit. Of one wallet, (`exit_at`, `exit_block`,
`exit_index`, `piece`) is the order of exits over all its coins: `piece` counts from 0 within the
closing fill, the oldest lot first.

`direction` long or short; `qty` positive, base units; `gross` = price gain x quantity in USD,
exact unless price and size have more than twelve decimals together (perps of the exchange have at
most six), then rounded half to even at the twelfth; `fees` of both fills, NULL where one is
unknown, and then `net` as well."""

POSITIONS: dict[str, pl.DataType] = {
    "address": pl.String(),
    "coin": pl.String(),
    "censored_qty": MONEY,
    "continuity_breaks": pl.Int64(),
    "start_unknown": pl.Boolean(),
}
"""One row per wallet and coin with fills that day, sorted. `censored_qty`: base units closed of
unknown entry. `start_unknown`: the first fill ever seen came without a start position."""

_ONE = 10**MONEY_SCALE
_START_STEP = 10**4
"""1e-8 at the twelfth decimal: what start positions are taken to, and how far they may be off."""

_LIMIT = 1 << 62
"""Of scaled quantities: the sum of two still fits."""

_NO_START = -(1 << 63)
_SIGNED, _START, _REST, _PLACE = range(4)
_COIN_BITS = (1 << 32) - 1
_POWERS = np.array([10**n for n in range(MONEY_SCALE + 1)], np.int64)

Numbers = np.ndarray[Any, np.dtype[Any]]


class QuantityTooLarge(VigilError):
    """A size, position or fee does not fit 63 bits at its scale; nothing was computed from it."""

    def __init__(self, what: str, limit: int, decimals: int) -> None:
        super().__init__(
            f"expected {what} below {limit} units of 1e-{decimals}, found a larger one"
        )


@dataclass(frozen=True)
class Matched:
    """What became of one day: frames of `PIECES`, `LOTS` (at the day's end) and `POSITIONS`."""

    pieces: pl.DataFrame
    lots: pl.DataFrame
    positions: pl.DataFrame


def no_lots() -> pl.DataFrame:
    """The lots before the first day."""
    return pl.DataFrame(schema=LOTS)


def with_fee_per_unit(lots: pl.DataFrame) -> pl.DataFrame:
    """Lots with `fee_per_unit` (Float64, USD per base unit), for show; NULL where unknown."""
    fee = pl.col("fill_fee").cast(pl.Float64) / pl.col("fill_sz").cast(pl.Float64)
    return lots.with_columns(fee_per_unit=fee)


def match(fills: pl.DataFrame, lots: pl.DataFrame, seen: pl.DataFrame | None = None) -> Matched:
    """Match one UTC day of perp fills, starting from the lots of the day before.

    Fills: `time, user_address, coin, px, sz, side, start_position, fee, block_number,
    event_index`, in any order; money as Decimal(38, 12), `fee` in USD or NULL where it has no
    price, `start_position` NULL where the source has none (then nothing is checked and the lots
    stand). A fill of size 0 moves nothing, and its fee is in no piece.

    `seen` (`address, coin`) are positions that had fills on any earlier day; one that has lots
    counts as seen by itself. The first fill ever seen of a position may start anywhere, and what
    it starts from is of unknown entry; for a position seen before that is a break as well. Only
    the count of breaks depends on `seen`.

    Raises:
        QuantityTooLarge: a size, a start position or a fee has more digits than can be followed.
    """
    if not _in_order(fills):
        fills = fills.sort("time", "block_number", "event_index", maintain_order=True)
    carried = _carried(lots, seen)
    addresses = _texts(fills["user_address"], carried["address"])
    coins = _texts(fills["coin"], carried["coin"])
    address = _codes(addresses, fills["user_address"], carried["address"])
    coin = _codes(coins, fills["coin"], carried["coin"])
    if fills.is_empty():
        return Matched(pl.DataFrame(schema=PIECES), lots, pl.DataFrame(schema=POSITIONS))
    scaled = _Scaled.of(fills, carried, address, coin, len(coins))
    found = _Loop.run(scaled, address, coin, len(addresses), len(coins), carried, len(fills))
    keys = (addresses, coins, address, coin)
    return Matched(
        pieces=_pieces(fills, carried, scaled, found, keys),
        lots=_open_lots(fills, carried, scaled, found, keys),
        positions=_positions(scaled, found, keys),
    )


def _in_order(fills: pl.DataFrame) -> bool:
    """Whether the rows are in the order of execution already, as the lake keeps them."""
    later = pl.lit(value=False)
    for name in ("event_index", "block_number", "time"):
        before = pl.col(name).shift()
        later = (pl.col(name) < before) | ((pl.col(name) == before) & later)
    return not fills.select(later.any()).item()


def _carried(lots: pl.DataFrame, seen: pl.DataFrame | None) -> pl.DataFrame:
    """Lots in order; a position seen before is a lot of quantity 0."""
    frames = [lots.select(pl.col(name).cast(type_) for name, type_ in LOTS.items())]
    if seen is not None:
        flat = seen.select(
            pl.col("address").cast(pl.String),
            pl.col("coin").cast(pl.String),
            sequence=pl.lit(-1, pl.Int64),
            qty=pl.lit(0).cast(MONEY),
        )
        frames.append(flat)
    return pl.concat(frames, how="diagonal").sort("address", "coin", "sequence")


def _texts(*columns: pl.Series) -> pl.Series:
    """All different texts, sorted."""
    return pl.concat([column.unique().cast(pl.String) for column in columns]).unique().sort()


def _codes(texts: pl.Series, *columns: pl.Series) -> Numbers:
    """Places of the texts of all columns, one behind the other."""
    places = [column.cast(pl.Enum(texts)).to_physical().cast(pl.Int64) for column in columns]
    return np.concatenate([place.to_numpy() for place in places])


# --- decimals → integers at the scale of their coin ----------------------------------------


def _lit(value: int) -> pl.Expr:
    return pl.lit(value, pl.Int128)


@dataclass(frozen=True)
class _Scaled:
    """Quantities of fills and, behind them, of carried lots."""

    sz: Numbers
    """Of a fill; of the fill that opened a lot, 0 where that is unknown."""
    facts: Numbers
    """What the loop reads of a row, side by side, for it jumps from row to row.

    `_SIGNED`: of a fill, positive for a buy; of a lot, what is left. `_START`: of a fill the
    position before, `_NO_START` where unknown; `_REST`: what that has beyond, at the twelfth
    decimal. `_PLACE`: code of the address and, in the lower 32 bits, of the coin.
    """
    decimals: Numbers
    """Of coins, by code."""
    coin: Numbers

    @classmethod
    def of(
        cls,
        fills: pl.DataFrame,
        carried: pl.DataFrame,
        address: Numbers,
        coin: Numbers,
        coins: int,
    ) -> "_Scaled":
        sizes = _parts(pl.concat([fills["sz"], carried["fill_sz"].fill_null(0)]))
        left = _parts(carried["qty"])
        exact = fills["start_position"].to_physical()
        half = _START_STEP // 2
        name = exact.name
        rounded = exact.to_frame().select(
            (pl.col(name) + _lit(half)) // _lit(_START_STEP) * _lit(_START_STEP)
        )[name]
        rest = exact.to_frame().select((pl.col(name) - rounded).fill_null(0).cast(pl.Int64))
        start = _parts(rounded.fill_null(0))
        decimals = np.zeros(coins, np.int64)
        of_fills, of_lots = coin[: len(fills)], coin[len(fills) :]
        for (_, fraction), codes in ((sizes, coin), (left, of_lots), (start, of_fills)):
            _compiled_widen(fraction, codes, decimals, _POWERS)
        sz = _scaled("sizes", sizes, coin, decimals)
        starts = _scaled("start positions", start, of_fills, decimals)
        starts[exact.is_null().to_numpy()] = _NO_START
        buys = (fills["side"] == "B").to_numpy()
        facts = np.zeros((len(coin), 4), np.int64)
        facts[: len(fills), _SIGNED] = np.where(buys, sz[: len(fills)], -sz[: len(fills)])
        facts[len(fills) :, _SIGNED] = _scaled("lots", left, of_lots, decimals)
        facts[: len(fills), _START] = starts
        facts[: len(fills), _REST] = rest[name].to_numpy()
        facts[:, _PLACE] = address << 32 | coin
        return cls(sz, facts, decimals, coin)

    def money(self, values: Numbers, coin: Numbers) -> pl.Series:
        """Quantities of these coins as decimals."""
        units = pl.DataFrame({"value": values, "unit": _POWERS[MONEY_SCALE - self.decimals[coin]]})
        product = pl.col("value").cast(pl.Int128) * pl.col("unit")
        return units.select(value=product.reinterpret(dtype=MONEY))["value"]


def _parts(values: pl.Series) -> tuple[Numbers, Numbers]:
    """Whole part and twelve decimals, each in 64 bits, the latter never negative."""
    exact = values.to_physical().rename("exact").to_frame()
    whole = exact.select(pl.col("exact") // _lit(_ONE))["exact"]
    rest = exact.select((pl.col("exact") - whole * _lit(_ONE)).cast(pl.Int64))["exact"]
    if whole.is_empty():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if max(whole.max(), -whole.min()) >= _LIMIT:  # type: ignore[type-var, operator]
        raise QuantityTooLarge("quantities", _LIMIT, 0)
    return whole.cast(pl.Int64).to_numpy(), rest.to_numpy()


def _widen(fraction: Numbers, codes: Numbers, decimals: Numbers, powers: Numbers) -> None:
    """Raise the decimals of each coin to what its quantities need."""
    for row in range(len(fraction)):
        code = codes[row]
        while fraction[row] % powers[MONEY_SCALE - decimals[code]] != 0:
            decimals[code] += 1


def _scaled(
    what: str, parts: tuple[Numbers, Numbers], codes: Numbers, decimals: Numbers
) -> Numbers:
    whole, fraction = parts
    result = np.empty(len(whole), np.int64)
    row = _compiled_join(whole, fraction, codes, decimals, _POWERS, result)
    if row >= 0:
        raise QuantityTooLarge(what, _LIMIT, int(decimals[codes[row]]))
    return result


def _join(
    whole: Numbers,
    fraction: Numbers,
    codes: Numbers,
    decimals: Numbers,
    powers: Numbers,
    result: Numbers,
) -> int:
    """Put parts together at the scale of their coin; gives the row that does not fit, or -1."""
    for row in range(len(whole)):
        places = decimals[codes[row]]
        limit = _LIMIT // powers[places] - 1
        if whole[row] > limit or whole[row] < -limit:
            return row
        result[row] = whole[row] * powers[places] + fraction[row] // powers[MONEY_SCALE - places]
    return -1


# --- the loop ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Loop:
    """What the loop found.

    A source is a row of the fills or, behind them, of the carried lots, or behind those: unknown.
    """

    exits: Numbers
    """Per piece: row of the closing fill."""
    sources: Numbers
    """Per piece: what opened its lot."""
    taken: Numbers
    """Per piece: quantity, positive."""
    left: Numbers
    """Per piece: what was left of the lot before, positive."""
    used: Numbers
    """Per piece: what the closing fill had closed before."""
    order: Numbers
    """Per piece: its number within the closing fill."""
    lot_sources: Numbers
    lot_left: Numbers
    """Per open lot; signed."""
    lot_rows: Numbers
    """Per open lot: a row, of the fills or of the lots behind, of its position."""
    rows: Numbers
    """Per position: its first fill."""
    censored: Numbers
    breaks: Numbers
    start_unknown: Numbers

    @classmethod
    def run(
        cls,
        scaled: _Scaled,
        address: Numbers,
        coin: Numbers,
        addresses: int,
        coins: int,
        carried: pl.DataFrame,
        fills: int,
    ) -> "_Loop":
        rows = len(address)
        order = np.empty(fills, np.int32)
        _compiled_sort(address[:fills], coin[:fills], addresses, coins, order)
        most = rows + fills
        pieces: list[Numbers] = [np.empty(most, np.uint32) for _ in range(2)]
        quantities: list[Numbers] = [np.empty(most, np.int64) for _ in range(3)]
        number: Numbers = np.empty(most, np.int32)
        lots: list[Numbers] = [
            np.empty(most, np.uint32),
            np.empty(most, np.int64),
            np.empty(most, np.uint32),
        ]
        positions = [np.empty(fills, np.int64) for _ in range(4)]
        counts = np.zeros(3, np.int64)
        fits = _compiled_match(
            order,
            scaled.facts,
            _POWERS[MONEY_SCALE - scaled.decimals],
            carried["price"].is_not_null().to_numpy(),
            np.empty((2, rows + 1), np.int64),
            *pieces,
            *quantities,
            number,
            *lots,
            *positions,
            counts,
        )
        if not fits:
            raise QuantityTooLarge("positions and closed quantities", _LIMIT, 0)
        piece_count, lot_count, position_count = counts
        return cls(
            *(column[:piece_count] for column in [*pieces, *quantities, number]),
            *(column[:lot_count] for column in lots),
            *(column[:position_count] for column in positions),
        )


def _sort(address: Numbers, coin: Numbers, addresses: int, coins: int, order: Numbers) -> None:
    """Rows by address, then coin, then as they come: two counting sorts."""
    by_coin = np.empty(len(address), np.int32)
    places = np.zeros(coins + 1, np.int64)
    for row in range(len(coin)):
        places[coin[row] + 1] += 1
    for code in range(coins):
        places[code + 1] += places[code]
    for row in range(len(coin)):
        by_coin[places[coin[row]]] = row
        places[coin[row]] += 1
    places = np.zeros(addresses + 1, np.int64)
    for row in range(len(address)):
        places[address[row] + 1] += 1
    for code in range(addresses):
        places[code + 1] += places[code]
    for place in range(len(by_coin)):
        row = int(by_coin[place])
        order[places[address[row]]] = row
        places[address[row]] += 1


def _match(
    order: Numbers,
    facts: Numbers,
    units: Numbers,
    known: Numbers,
    queue: Numbers,
    exits: Numbers,
    sources: Numbers,
    taken: Numbers,
    left: Numbers,
    used: Numbers,
    number: Numbers,
    lot_sources: Numbers,
    lot_left: Numbers,
    lot_rows: Numbers,
    rows: Numbers,
    censored: Numbers,
    breaks: Numbers,
    start_unknown: Numbers,
    counts: Numbers,
) -> bool:
    """One position after the other; the queue is emptied in between. False: a sum grew too large.

    One function: arrays handed from one compiled function to another cost more than the work.
    """
    fills, everything = len(order), len(facts)
    unknown = everything
    pieces = lots = positions = 0
    next_carried = fills
    at = 0
    while at < fills:
        first = order[at]
        key = facts[first, _PLACE]
        unit = units[key & _COIN_BITS]
        head = tail = 0
        seen = False
        position = 0
        while next_carried < everything and facts[next_carried, _PLACE] <= key:
            quantity = facts[next_carried, _SIGNED]
            source = next_carried if known[next_carried - fills] else unknown
            if facts[next_carried, _PLACE] == key:
                seen = True
                if quantity != 0:
                    queue[0, tail] = source
                    queue[1, tail] = quantity
                    position += quantity
                    tail += 1
                    if position >= _LIMIT or position <= -_LIMIT:
                        return False
            elif quantity != 0:
                lot_sources[lots] = source
                lot_left[lots] = quantity
                lot_rows[lots] = next_carried
                lots += 1
            next_carried += 1
        rows[positions] = first
        start_unknown[positions] = not seen and facts[first, _START] == _NO_START
        closed_unknown = 0
        gaps = 0
        while at < fills:
            row = order[at]
            if facts[row, _PLACE] != key:
                break
            at += 1
            start = facts[row, _START]
            if start != _NO_START:
                off = position - start
                continues = -2 * _START_STEP <= off <= 2 * _START_STEP and (
                    -_START_STEP <= off * unit - facts[row, _REST] <= _START_STEP
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
            remaining = facts[row, _SIGNED]
            position += remaining
            if position >= _LIMIT or position <= -_LIMIT:
                return False
            done = 0
            closings = 0
            while remaining != 0 and head < tail and (queue[1, head] > 0) != (remaining > 0):
                lot = queue[1, head]
                quantity = min(abs(lot), abs(remaining))
                if queue[0, head] == unknown:
                    closed_unknown += quantity
                    if closed_unknown >= _LIMIT:
                        return False
                else:
                    exits[pieces] = row
                    sources[pieces] = queue[0, head]
                    taken[pieces] = quantity
                    left[pieces] = abs(lot)
                    used[pieces] = done
                    number[pieces] = closings
                    pieces += 1
                    closings += 1
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
            lot_rows[lots] = first
            lots += 1
    while next_carried < everything:
        if facts[next_carried, _SIGNED] != 0:
            lot_sources[lots] = next_carried if known[next_carried - fills] else unknown
            lot_left[lots] = facts[next_carried, _SIGNED]
            lot_rows[lots] = next_carried
            lots += 1
        next_carried += 1
    counts[0], counts[1], counts[2] = pieces, lots, positions
    return True


_compiled_widen: Any = njit(cache=True, nogil=True)(_widen)
_compiled_join: Any = njit(cache=True, nogil=True)(_join)
_compiled_sort: Any = njit(cache=True, nogil=True)(_sort)
_compiled_match: Any = njit(cache=True, nogil=True)(_match)


# --- integers → frames ---------------------------------------------------------------------

_Keys = tuple[pl.Series, pl.Series, Numbers, Numbers]


def _key_columns(keys: _Keys, rows: Numbers) -> dict[str, pl.Series]:
    addresses, coins, address, coin = keys
    return {
        "address": addresses.gather(pl.Series(address[rows]).cast(pl.UInt32)),
        "coin": coins.gather(pl.Series(coin[rows]).cast(pl.UInt32)),
    }


def _gathered(frame: pl.DataFrame, rows: Numbers) -> pl.DataFrame:
    return frame.select(pl.all().gather(pl.Series(rows)))


def _openings(fills: pl.DataFrame, carried: pl.DataFrame) -> pl.DataFrame:
    """What opens lots: the fills, the carried lots, and in the last row the unknown."""
    of_fills = fills.select(at="time", px="px", sz="sz", fee="fee")
    of_lots = carried.select(at="opened_at", px="price", sz="fill_sz", fee="fill_fee")
    nothing = pl.DataFrame({name: [None] for name in of_fills.columns}, schema=of_fills.schema)
    return pl.concat([of_fills, of_lots, nothing], rechunk=True)


def _pieces(
    fills: pl.DataFrame, carried: pl.DataFrame, scaled: _Scaled, found: _Loop, keys: _Keys
) -> pl.DataFrame:
    fees = _fees_in_bits(fills["fee"], carried["fill_fee"])
    sizes = scaled.sz
    exits, sources = found.exits, found.sources
    lot_used = sizes[sources] - found.left
    buys = scaled.facts[exits, _SIGNED] > 0
    closing = _fee_part(fees, sizes, exits, found.used, found.taken)
    opening = _fee_part(fees, sizes, sources, lot_used, found.taken)
    entries = _gathered(_openings(fills, carried).select("at", "px"), sources)
    closings = _gathered(fills.select("time", "px", "block_number", "event_index"), exits)
    frame = pl.DataFrame(
        _key_columns(keys, exits)
        | {
            "entry_at": entries["at"],
            "exit_at": closings["time"],
            "exit_block": closings["block_number"],
            "exit_index": closings["event_index"].cast(pl.Int32),
            "piece": found.order,
            "direction": pl.Series(["short", "long"]).gather(pl.Series(~buys).cast(pl.UInt32)),
            "qty": scaled.money(found.taken, scaled.coin[exits]),
            "entry_px": entries["px"],
            "exit_px": closings["px"],
            "fees": (closing + opening).reinterpret(dtype=MONEY),
        }
    )
    signed = scaled.money(np.where(buys, -found.taken, found.taken), scaled.coin[exits])
    frame = frame.with_columns(
        gross=(pl.col("exit_px") - pl.col("entry_px")) * signed,
        hold_ms=pl.col("exit_at") - pl.col("entry_at"),
    )
    return frame.with_columns(net=pl.col("gross") - pl.col("fees")).select(*PIECES)


def _fees_in_bits(*columns: pl.Series) -> pl.Series:
    """Fees at the twelfth decimal, so small that a product with a size fits 128 bits."""
    fees = pl.concat([column.to_physical() for column in columns])
    largest: Any = fees.to_frame("fee").select(pl.col("fee").abs().max()).item()
    if largest is not None and largest >= _LIMIT:
        raise QuantityTooLarge("fees", _LIMIT, MONEY_SCALE)
    return fees


def _fee_part(
    fees: pl.Series, sizes: Numbers, rows: Numbers, start: Numbers, length: Numbers
) -> pl.Series:
    """What a stretch of the quantity of fills costs, at the twelfth decimal."""
    frame = pl.DataFrame(
        {
            "fee": fees.gather(pl.Series(rows)),
            "sz": sizes[rows],
            "start": start,
            "end": start + length,
        }
    )
    fee, sz = pl.col("fee"), pl.col("sz").cast(pl.Int128)
    to_start, to_end = (fee * pl.col(end).cast(pl.Int128) // sz for end in ("start", "end"))
    return frame.select(fee=to_end - to_start)["fee"]


def _open_lots(
    fills: pl.DataFrame, carried: pl.DataFrame, scaled: _Scaled, found: _Loop, keys: _Keys
) -> pl.DataFrame:
    opening = _gathered(_openings(fills, carried), found.lot_sources)
    frame = pl.DataFrame(
        _key_columns(keys, found.lot_rows)
        | {
            "qty": scaled.money(found.lot_left, scaled.coin[found.lot_rows]),
            "price": opening["px"],
            "opened_at": opening["at"],
            "fill_sz": opening["sz"],
            "fill_fee": opening["fee"],
        }
    )
    place = pl.int_range(pl.len()).over("address", "coin")
    return frame.with_columns(sequence=place).select(pl.col(n).cast(t) for n, t in LOTS.items())


def _positions(scaled: _Scaled, found: _Loop, keys: _Keys) -> pl.DataFrame:
    return pl.DataFrame(
        _key_columns(keys, found.rows)
        | {
            "censored_qty": scaled.money(found.censored, scaled.coin[found.rows]),
            "continuity_breaks": found.breaks,
            "start_unknown": found.start_unknown.astype(bool),
        }
    )


def match_days(days: Iterable[pl.DataFrame], lots: pl.DataFrame | None = None) -> list[Matched]:
    """Match days one after the other, each from the lots and the positions of those before."""
    carried = no_lots() if lots is None else lots
    seen = pl.DataFrame(schema={"address": pl.String(), "coin": pl.String()})
    matched = []
    for fills in days:
        matched.append(match(fills, carried, seen))
        carried = matched[-1].lots
        touched = matched[-1].positions.select("address", "coin")
        seen = pl.concat([seen, touched]).unique(maintain_order=True)
    return matched
