"""First in, first out, by quantity: one day's perp fills and the lots carried into it → pieces.

A piece is the overlap of one lot with one fill against it, long and short alike. Quantities are
followed in 64-bit integers at the scale of their coin, by one compiled loop over a stable sort;
prices and fees are joined to its result afterwards, in 128 bits. Nothing passes through a float.
Frames of pieces are for whoever looks at them; `wallet_days` adds the same pieces up without.

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

from vigil_core.artemis.positions import (
    LIMIT,
    PLACE,
    SIGNED,
    Matching,
    Positions,
    QuantityTooLarge,
)
from vigil_core.artemis.text_codes import Codes, Numbers
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
        TextMissing: an address or a coin is NULL.
    """
    if not _in_order(fills):
        fills = fills.sort("time", "block_number", "event_index", maintain_order=True)
    carried = carried_lots(lots, seen)
    if fills.is_empty():
        return Matched(pl.DataFrame(schema=PIECES), lots, pl.DataFrame(schema=POSITIONS))
    address = Codes.of(fills["user_address"], carried["address"])
    coin = Codes.of(fills["coin"], carried["coin"])
    positions = Positions.of(fills, carried, address, coin)
    found = Matching.of(positions, carried)
    return Matched(
        pieces=_pieces(fills, carried, positions, found),
        lots=open_lots(fills, carried, positions, found),
        positions=_positions(positions, found),
    )


def _in_order(fills: pl.DataFrame) -> bool:
    """Whether the rows are in the order of execution already, as the lake keeps them."""
    later = pl.lit(value=False)
    for name in ("event_index", "block_number", "time"):
        before = pl.col(name).shift()
        later = (pl.col(name) < before) | ((pl.col(name) == before) & later)
    return not fills.select(later.any()).item()


def carried_lots(lots: pl.DataFrame, seen: pl.DataFrame | None) -> pl.DataFrame:
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


# --- integers → frames ---------------------------------------------------------------------


def _gathered(frame: pl.DataFrame, rows: Numbers) -> pl.DataFrame:
    return frame.select(pl.all().gather(pl.Series(rows)))


def _opened(
    fills: pl.DataFrame, carried: pl.DataFrame, positions: Positions, sources: Numbers
) -> pl.DataFrame:
    """What opened lots: fills, carried lots, or the unknown, which is NULL throughout."""
    of_fills = fills.select(opened_at="time", price="px", fill_sz="sz", fill_fee="fee")
    of_lots = carried.select(of_fills.columns)
    unknown = of_lots.clear(1)
    is_fill = sources < len(fills)
    found = [
        _gathered(of_fills, positions.rows[sources[is_fill]]),
        _gathered(pl.concat([of_lots, unknown]), sources[~is_fill] - np.uint32(len(fills))),
    ]
    order = np.concatenate([np.flatnonzero(is_fill), np.flatnonzero(~is_fill)])
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return _gathered(pl.concat(found, rechunk=True), back)


def _pieces(
    fills: pl.DataFrame, carried: pl.DataFrame, positions: Positions, found: Matching
) -> pl.DataFrame:
    fees = _fees_in_bits(fills["fee"], carried["fill_fee"])
    sizes = np.concatenate([np.abs(positions.facts[: len(fills), SIGNED]), positions.lot_sizes])
    exit_places = found.exits
    exits, sources = positions.rows[exit_places], positions.rows[found.sources]
    number = np.arange(len(exit_places)) - found.first_piece[exit_places]
    lot_used = sizes[found.sources] - found.left
    buys = positions.facts[exit_places, SIGNED] > 0
    closing = _fee_part(fees.gather(pl.Series(exits)), sizes[exit_places], found.used, found.taken)
    opening = _fee_part(
        fees.gather(pl.Series(sources)), sizes[found.sources], lot_used, found.taken
    )
    entries = _opened(fills, carried, positions, found.sources)
    closings = _gathered(fills.select("time", "px", "block_number", "event_index"), exits)
    coins = positions.coins(exit_places)
    frame = pl.DataFrame(
        positions.keys(exit_places)
        | {
            "entry_at": entries["opened_at"],
            "exit_at": closings["time"],
            "exit_block": closings["block_number"],
            "exit_index": closings["event_index"].cast(pl.Int32),
            "piece": pl.Series(number).cast(pl.Int32),
            "direction": pl.Series(["short", "long"]).gather(pl.Series(~buys).cast(pl.UInt32)),
            "qty": positions.money(found.taken, coins),
            "entry_px": entries["price"],
            "exit_px": closings["px"],
            "fees": (closing + opening).reinterpret(dtype=MONEY),
        }
    )
    signed = positions.money(np.where(buys, -found.taken, found.taken), coins)
    frame = frame.with_columns(
        gross=(pl.col("exit_px") - pl.col("entry_px")) * signed,
        hold_ms=pl.col("exit_at") - pl.col("entry_at"),
    )
    return frame.with_columns(net=pl.col("gross") - pl.col("fees")).select(*PIECES)


def _fees_in_bits(*columns: pl.Series) -> pl.Series:
    """Fees at the twelfth decimal, so small that a product with a size fits 128 bits."""
    fees = pl.concat([column.to_physical() for column in columns])
    largest: Any = fees.to_frame("fee").select(pl.col("fee").abs().max()).item()
    if largest is not None and largest >= LIMIT:
        raise QuantityTooLarge("fees", LIMIT, MONEY_SCALE)
    return fees


def _fee_part(fees: pl.Series, sizes: Numbers, start: Numbers, length: Numbers) -> pl.Series:
    """What a stretch of the quantity of fills costs, at the twelfth decimal."""
    frame = pl.DataFrame({"fee": fees, "sz": sizes, "start": start, "end": start + length})
    fee, sz = pl.col("fee"), pl.col("sz").cast(pl.Int128)
    to_start, to_end = (fee * pl.col(end).cast(pl.Int128) // sz for end in ("start", "end"))
    return frame.select(fee=to_end - to_start)["fee"]


def open_lots(
    fills: pl.DataFrame, carried: pl.DataFrame, positions: Positions, found: Matching
) -> pl.DataFrame:
    """Rows of `LOTS`: what is open after the fills, in the order of execution, were matched."""
    keys = positions.facts[found.lot_places, PLACE]
    number = np.arange(len(keys))
    is_first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    oldest = np.maximum.accumulate(np.where(is_first, number, 0))
    columns = positions.keys(found.lot_places) | {
        "sequence": pl.Series(number - oldest),
        "qty": positions.money(found.lot_left, positions.coins(found.lot_places)),
    }
    opened = _opened(fills, carried, positions, found.lot_sources)
    return opened.with_columns(**columns).select(pl.col(n).cast(t) for n, t in LOTS.items())


def _positions(positions: Positions, found: Matching) -> pl.DataFrame:
    return pl.DataFrame(
        positions.keys(found.firsts)
        | {
            "censored_qty": positions.money(found.censored, positions.coins(found.firsts)),
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
