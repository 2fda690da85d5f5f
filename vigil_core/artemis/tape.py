"""Fills → trades, and what is read off them: flow, candles, liquidations.

A trade is in the fills once per side. Transfers that no order met (deleveraging, take-overs by
the backstop, settlements) are kept apart: they are no flow, and make no price.

Volumes are exact: a product of two figures of twelve decimals has twenty-four.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from vigil_core.artemis import tape_kernel
from vigil_core.artemis.tape_kernel import (
    Numbers,
    among,
    coded,
    decimals,
    numbers,
    words,
)
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import MONEY, MONEY_SCALE

NOTIONAL = pl.Decimal(38, 2 * MONEY_SCALE)
"""USD, as the exact product of a price and a size; fourteen digits stand before the point."""

BUCKET_MS = 300_000
"""Length of a bucket of flow."""

MINIMUM_LIQUIDATION_USD = 100
"""Smaller liquidations are no events."""

TRADE_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "coin": pl.String(),
    "tid": pl.Int64(),
    "px": MONEY,
    "sz": MONEY,
    "taker_side": pl.String(),
    "is_off_book": pl.Boolean(),
    "block_number": pl.Int64(),
    "event_index": pl.Int32(),
}
"""One row per trade, in the order of execution; place and `tid` are those of its first row."""

FLOW_COLUMNS = (
    "volume_usd",
    "buy_volume_usd",
    "sell_volume_usd",
    "unknown_volume_usd",
    "off_book_volume_usd",
)

CANDLE_SCHEMA: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "open_time": pl.Int64(),
    "open": MONEY,
    "high": MONEY,
    "low": MONEY,
    "close": MONEY,
    "volume": MONEY,
    "trades": pl.Int64(),
    "filled": pl.Boolean(),
}

LIQUIDATION_SCHEMA: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "occurred_at": pl.Int64(),
    "side": pl.String(),
    "size_usd": NOTIONAL,
    "price": pl.Float64(),
    "address": pl.String(),
    "method": pl.String(),
    "via_adl": pl.Boolean(),
}

DUST_CONVERSION = "Spot Dust Conversion"
AUTO_DELEVERAGING = "Auto-Deleveraging"
OFF_BOOK = (AUTO_DELEVERAGING, "Settlement", "Net Child Vaults")
"""Values of `dir` of transfers off the book; those that begin with `Liquidated ` are others."""

Covered = Iterable[tuple[int, int]]
"""Spans [from, to) in ms UTC for which every source object is loaded; they may overlap."""

_OBLIGATORY = ("time", "coin", "px", "sz", "side")
_OPTIONAL: dict[str, pl.DataType] = {
    "crossed": pl.Boolean(),
    "tid": pl.Int64(),
    "dir": pl.String(),
    "liquidation": pl.String(),
    "block_number": pl.Int64(),
    "event_index": pl.Int32(),
}
_TRADE_COLUMNS = tuple(n for n in TRADE_SCHEMA if n not in ("taker_side", "is_off_book"))
"""What a trade has from its first row."""
_EXECUTION = ["time", "block_number", "event_index"]
_FIRST = -(1 << 31)
"""Before every number of a block or event: where NULL sorts."""
_CELLS = tuple(name for name, dtype in CANDLE_SCHEMA.items() if dtype == MONEY)
_TRADE = ["time", "_coin", "_pair"]
_MOST_USD = 1e14
_SURELY_FITS = 0.99 * _MOST_USD
"""So much, added up in whatever order, is still less than `_MOST_USD`."""


def is_perp(coin: str = "coin") -> pl.Expr:
    """Whether a column names a perp, a builder's (`xyz:TSLA`) included: not `@1`, `#1`, `A/B`."""
    return ~pl.col(coin).str.contains(r"^[@#]|/")


def perps(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose `coin` is a perp, in their order."""
    place, coins = coded(rows["coin"])
    # Each name is looked at once, not once a row.
    is_kept = _of(place, coins.to_frame("coin").select(is_perp()).to_series())
    return rows if is_kept.all() else rows.filter(is_kept)


def notional(px: str = "px", sz: str = "sz") -> pl.Expr:
    """Price times size, exactly, as `NOTIONAL`; an error where it does not fit."""
    # At scale 12 Polars would round the product to twelve decimals.
    return pl.col(px).cast(NOTIONAL) * pl.col(sz).cast(NOTIONAL)


def merged_spans(covered: Covered) -> list[tuple[int, int]]:
    """The same spans in order, those that touch joined: hour after hour becomes one.

    >>> merged_spans([(60, 120), (0, 60), (180, 240)])
    [(0, 120), (180, 240)]
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(span for span in covered if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def trades(legs: pl.DataFrame) -> pl.DataFrame:
    """Each trade of a perp once.

    The rows of one (time, coin, tid) are one trade. A row without a trade id (NULL or 0) cannot
    be paired: those that `crossed` are a trade each, the others are left out. Where nothing says
    who crossed, the buyers' rows are counted.

    Args:
        legs: Rows of the lake in any order, with `time, coin, px, sz, side`, and `crossed` or
            `tid`. Without `dir`, only a backstop's liquidation is known to be off the book;
            without block and index, rows of one ms keep the order they come in.

    Returns:
        Columns of `TRADE_SCHEMA`. `taker_side` is `B` or `A`, NULL if the trade has not exactly
        one taker.

    Raises:
        UnexpectedColumns: A column that is needed is missing.
    """
    rows = _countable(legs, [*_TRADE_COLUMNS, "crossed", "side"])
    found = _paired(rows)
    if found is None:
        rows = pl.DataFrame(rows).sort(_EXECUTION, maintain_order=True).to_dict()
        found = _paired(rows)
        assert found is not None
    is_first, told = found
    firsts = {name: rows[name].filter(is_first).rechunk() for name in _TRADE_COLUMNS}
    return pl.DataFrame(firsts | told).select(list(TRADE_SCHEMA))


def flow(
    trades: pl.DataFrame,
    start: int,
    end: int,
    covered: Covered,
    coins: Collection[str] | None = None,
) -> pl.DataFrame:
    """Volume per coin and bucket of 300 s, in USD, each trade once.

    Volume = bought + sold + unknown; what was transferred off the book is in none of these.

    Args:
        trades: As `trades` gives them; those outside [start, end) change nothing.
        start: Buckets begin here or later, ms UTC.
        end: And end here or earlier.
        covered: A bucket that is not wholly inside has no row.
        coins: Of which there are rows, of zeros where nothing was traded; by default those
            traded in [start, end).

    Returns:
        `coin, recorded_at` (start of the bucket, ms; known 300 s later) and `FLOW_COLUMNS` as
        `NOTIONAL`, sorted.

    Raises:
        OverflowError: More USD than `NOTIONAL` can hold.
    """
    return _flow(_Inside.of(trades, start, end), covered, coins)


def candles(
    trades: pl.DataFrame,
    interval_ms: int,
    start: int,
    end: int,
    covered: Covered,
    previous_close: Mapping[str, Decimal],
    coins: Collection[str] | None = None,
) -> pl.DataFrame:
    """Candles of the trades on the book.

    A candle without trades is flat at the close before it. One that is not wholly covered has no
    row, and no close is carried across it.

    Args:
        trades: As `trades` gives them, in the order of execution; those outside [start, end)
            change nothing.
        interval_ms: Length of a candle; candles open at its multiples.
        start: Candles open here or later, ms UTC.
        end: And are over here or earlier.
        covered: Spans whose source objects are loaded.
        previous_close: Per coin, the close of the candle that ends where the first one opens.
        coins: Of which there may be rows; by default those traded in [start, end) and those of
            `previous_close`.

    Returns:
        Columns of `CANDLE_SCHEMA`, sorted by coin and time; `volume` in base units.

    Raises:
        ValueError: A trade has no price.
    """
    inside = _Inside.of(trades, start, end)
    return _candles(inside, interval_ms, covered, previous_close, coins)


def flow_and_candles(
    trades: pl.DataFrame,
    start: int,
    end: int,
    covered: Covered,
    previous_closes: Mapping[int, Mapping[str, Decimal]],
    coins: Collection[str] | None = None,
) -> tuple[pl.DataFrame, dict[int, pl.DataFrame]]:
    """`flow`, and `candles` of each length of which the closes before are given.

    The same rows as one by one; what all of them need of the trades is found once.
    """
    inside = _Inside.of(trades, start, end)
    spans = merged_spans(covered)
    return _flow(inside, spans, coins), {
        interval_ms: _candles(inside, interval_ms, spans, closes, coins)
        for interval_ms, closes in previous_closes.items()
    }


def liquidation_events(
    legs: pl.DataFrame,
    vaults: Collection[str],
    minimum_usd: Decimal | int = MINIMUM_LIQUIDATION_USD,
) -> pl.DataFrame:
    """Liquidations of perp positions; what happens to one victim in one ms is one event.

    `side` is the position that died: `long` if the victim sells. Where only the counterparty's
    row is there, its opposite. A liquidation object that names nobody is no event.

    Args:
        legs: Rows of the lake in any order, with what `trades` needs, `user_address` and
            `liquidation`.
        vaults: Addresses of the exchange's own vaults. What they unload was counted when they
            took it over.
        minimum_usd: Smaller events are left out; one of exactly this size stays.

    Returns:
        Columns of `LIQUIDATION_SCHEMA`, sorted: `price` weighted by size, `address` the victim,
        `via_adl` whether a profitable trader was closed out against it, NULL without `dir`.

    Raises:
        UnexpectedColumns: A column that is needed is missing. Without `liquidation` nothing is
            known of liquidations, which is not the same as none.
        OverflowError: More USD than `NOTIONAL` can hold.
    """
    _expect_columns(legs, ("user_address", "liquidation"))
    is_marked = pl.col("liquidation").is_not_null()
    if "dir" in legs.columns:
        is_marked |= pl.col("dir").eq_missing(AUTO_DELEVERAGING)
    marked = _perp_rows(legs.filter(is_marked))
    label = pl.col("dir")
    via_adl = pl.when(label.count() > 0).then((label == AUTO_DELEVERAGING).any()).over(_TRADE)
    told = marked.with_columns(via_adl.alias("via_adl"), *_told_by("liquidation"))
    parts = _one_row_per_victim(told.filter(pl.col("address").is_not_null()))
    foreign = parts.filter(~pl.col("address").is_in([vault.lower() for vault in vaults]))
    usd = foreign.with_columns(notional().alias("size_usd"))
    _expect_to_fit(usd["size_usd"])
    key = ["coin", "occurred_at", "address", "side", "method", "via_adl"]
    events = (
        usd.rename({"time": "occurred_at"})
        .group_by(key)
        .agg(pl.col("size_usd", "sz").sum())
        .filter(pl.col("size_usd") >= Decimal(minimum_usd))
        .sort(key)
    )
    price = pl.col("size_usd").cast(pl.Float64) / pl.col("sz").cast(pl.Float64)
    return events.with_columns(price.alias("price")).select(list(LIQUIDATION_SCHEMA))


# --- rows ----------------------------------------------------------------------------------


def _perp_rows(legs: pl.DataFrame) -> pl.DataFrame:
    """Rows of perps that can be counted, in the order of execution, with the keys of a trade."""
    names = [*_OBLIGATORY, *_OPTIONAL, "user_address"]
    rows = pl.DataFrame(_countable(legs, names)).sort(_EXECUTION, maintain_order=True)
    unpaired = pl.col("tid").fill_null(0) == 0
    own = pl.when(unpaired).then(-1 - pl.int_range(pl.len())).otherwise("tid")
    return rows.with_columns(own.alias("_pair"))


def _countable(legs: pl.DataFrame, names: Collection[str]) -> dict[str, pl.Series]:
    """Columns of the rows of perps that can be counted, and `_coin`, a number, and `is_off_book`.

    They are taken one by one: a frame would first lay all of them out anew, in one piece each.
    """
    _expect_columns(legs, _OBLIGATORY)
    if not {"crossed", "tid"} & set(legs.columns):
        raise UnexpectedColumns("fills", ["crossed or tid"], legs.columns)
    absent = {
        name: pl.Series(name, [None], dtype=dtype).new_from_index(0, legs.height)
        for name, dtype in _OPTIONAL.items()
        if name not in legs.columns
    }
    columns = {name: legs[name] for name in legs.columns} | absent
    coin, coins = coded(columns["coin"])
    label, labels = coded(columns["dir"])
    marks = pl.DataFrame([columns[name] for name in ("tid", "crossed", "side")])
    counts = (pl.col("tid") != 0) | pl.col("crossed").fill_null(pl.col("side") == "B")
    is_kept = _of(coin, coins.to_frame("coin").select(is_perp()).to_series())
    is_kept &= ~_of(label, labels == DUST_CONVERSION)
    is_kept &= marks.select(counts.fill_null(value=False)).to_series()
    found = {name: columns[name] for name in names}
    found["_coin"] = pl.Series(coin)
    found["is_off_book"] = _is_off_book(columns, label, labels)
    if is_kept.all():
        return found
    return {name: column.filter(is_kept) for name, column in found.items()}


def _of(places: Numbers, flags: pl.Series) -> pl.Series:
    """Of each row what holds for its text; for NULL, nothing does."""
    return pl.Series(np.append(flags.to_numpy(), False)[places])


def _paired(rows: dict[str, pl.Series]) -> tuple[pl.Series, dict[str, pl.Series]] | None:
    """Which rows are the first of a trade, and its other columns; None if out of order."""
    height = len(rows["time"])
    is_first, is_off_book = np.zeros(height, np.bool_), np.empty(height, np.bool_)
    taker = np.empty(height, np.uint8)
    count = tape_kernel.pair(
        *(numbers(rows[name].fill_null(_FIRST)) for name in _EXECUTION),
        numbers(rows["_coin"]),
        numbers(rows["tid"].fill_null(0)),
        numbers(rows["crossed"].cast(pl.Int8).fill_null(-1)),
        numbers((rows["side"] == "B").fill_null(value=False)),
        numbers(rows["is_off_book"]),
        is_first,
        taker,
        is_off_book,
    )
    if count == tape_kernel.UNSORTED:
        return None
    sides = pl.Series([None, "B", "A"], dtype=pl.String)
    told = {
        "taker_side": sides.gather(taker[:count]),
        "is_off_book": pl.Series(is_off_book[:count]),
    }
    return pl.Series(is_first), told


def _is_off_book(columns: Mapping[str, pl.Series], label: Numbers, labels: pl.Series) -> pl.Series:
    by_label = labels.is_in(OFF_BOOK) | labels.str.starts_with("Liquidated ")
    known = _of(label, by_label)
    if columns["dir"].null_count():
        method = columns["liquidation"].str.json_path_match("$.method")
        known |= columns["dir"].is_null() & (method == "backstop").fill_null(value=False)
    return known


def _told_by(liquidation: str) -> list[pl.Expr]:
    text = pl.col(liquidation).str
    return [
        text.json_path_match("$.liquidatedUser").str.to_lowercase().alias("address"),
        text.json_path_match("$.method").alias("method"),
    ]


def _one_row_per_victim(rows: pl.DataFrame) -> pl.DataFrame:
    """Of a trade's two rows the victim's, or the other one, and `side` as seen by the victim."""
    is_victim = (pl.col("user_address").str.to_lowercase() == pl.col("address")).alias("_is_victim")
    # A victim that meets an order of its own is on both sides: the one that took is the forced one.
    preferred = rows.with_columns(is_victim).sort(
        pl.col("_is_victim"),
        pl.col("crossed").fill_null(value=False),
        descending=True,
        maintain_order=True,
    )
    one = preferred.unique([*_TRADE, "address", "method"], keep="first", maintain_order=True)
    sold = (pl.col("side") == "A") == pl.col("_is_victim")
    died = pl.when(sold).then(pl.lit("long")).otherwise(pl.lit("short"))
    return one.with_columns(died.alias("side"))


# --- buckets -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Inside:
    """Trades of [start, end), and their coins as numbers."""

    trades: pl.DataFrame
    start: int
    end: int
    place: Numbers
    """Of the coin of each trade in `coins`."""
    coins: pl.Series

    @classmethod
    def of(cls, trades: pl.DataFrame, start: int, end: int) -> "_Inside":
        inside = trades.filter(pl.col("time").is_between(start, end, closed="left"))
        return cls(inside, start, end, *coded(inside["coin"]))

    def arrays(self, names: pl.Series) -> tuple[Numbers, ...]:
        """What the loops read: time, place of the coin among the names, price, size."""
        place = among(names, (self.place, self.coins))
        px, sz = self.trades["px"], self.trades["sz"]
        return numbers(self.trades["time"]), place, words(px), words(sz)


def _flow(inside: _Inside, covered: Covered, coins: Collection[str] | None) -> pl.DataFrame:
    names = _names(inside.coins if coins is None else coins)
    grid = _Grid.of(names, BUCKET_MS, inside.start, inside.end, covered)
    sums = np.zeros((len(FLOW_COLUMNS), grid.rows, 2), np.uint64)
    side = inside.trades["taker_side"]
    units = tape_kernel.add_flow(
        *inside.arrays(names),
        *(numbers((side == taker).fill_null(value=False)) for taker in "BA"),
        numbers(inside.trades["is_off_book"]),
        *grid.place,
        len(grid.opens),
        sums,
    )
    if units / 10.0 ** (2 * MONEY_SCALE) >= _SURELY_FITS:
        _expect_to_fit(inside.trades.select(notional().alias("_"))["_"])
    figures = zip(FLOW_COLUMNS, sums, strict=True)
    columns = {name: decimals(content, NOTIONAL) for name, content in figures}
    return pl.DataFrame(grid.columns("recorded_at") | columns)


def _candles(
    inside: _Inside,
    interval_ms: int,
    covered: Covered,
    previous_close: Mapping[str, Decimal],
    coins: Collection[str] | None,
) -> pl.DataFrame:
    if inside.trades["px"].null_count():
        raise ValueError("trades: expected a price of each, found NULL")
    # One that was not traded on the book, and has no close, gets no row.
    names = _names([*inside.coins, *previous_close] if coins is None else coins)
    grid = _Grid.of(names, interval_ms, inside.start, inside.end, covered)
    before = pl.Series([previous_close.get(name) for name in names], dtype=MONEY)
    cells = np.zeros((len(_CELLS), grid.rows, 2), np.uint64)
    counts, has_row = np.zeros(grid.rows, np.int64), np.zeros(grid.rows, np.bool_)
    tape_kernel.add_candles(
        *inside.arrays(names),
        numbers(inside.trades["is_off_book"]),
        *grid.place,
        grid.runs,
        words(before),
        numbers(before.is_not_null()),
        cells,
        counts,
        has_row,
    )
    figures = {name: decimals(content, MONEY) for name, content in zip(_CELLS, cells, strict=True)}
    rows = pl.DataFrame(
        grid.columns("open_time") | figures | {"trades": counts, "filled": counts == 0}
    )
    return rows.filter(pl.Series(has_row))


def _first_open(interval_ms: int, at: int) -> int:
    return -(-at // interval_ms) * interval_ms


@dataclass(frozen=True)
class _Grid:
    """Every name at every interval that is wholly covered, one name behind the other."""

    names: pl.Series
    opens: Numbers
    runs: Numbers
    """Numbers the unbroken run that an interval is in."""
    place: tuple[int, int, Numbers]
    """When the first interval begins that may have a row, how long one is, and the place of each
    from there on in `opens`, -1 for one that is not covered."""

    @classmethod
    def of(
        cls, names: pl.Series, interval_ms: int, start: int, end: int, covered: Covered
    ) -> "_Grid":
        begin = _first_open(interval_ms, start)
        opens: list[Numbers] = [np.empty(0, np.int64)]
        runs = opens.copy()
        for run, (since, until) in enumerate(merged_spans(covered)):
            first = _first_open(interval_ms, max(since, start))
            opens.append(np.arange(first, min(until, end) - interval_ms + 1, interval_ms))
            runs.append(np.full(opens[-1].size, run))
        all_opens = np.concatenate(opens)
        nth = (all_opens - begin) // interval_ms
        slot_of = np.full(int(nth[-1]) + 1 if nth.size else 0, -1, np.int64)
        slot_of[nth] = np.arange(nth.size)
        return cls(names, all_opens, np.concatenate(runs), (begin, interval_ms, slot_of))

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.names) * self.opens.size

    def columns(self, time: str) -> dict[str, Any]:
        """The keys of the rows."""
        name = np.repeat(np.arange(len(self.names)), self.opens.size)
        return {"coin": self.names.gather(name), time: np.tile(self.opens, len(self.names))}


def _names(coins: Iterable[str]) -> pl.Series:
    return pl.Series(sorted(set(coins)), dtype=pl.String)


# --- expectations --------------------------------------------------------------------------


def _expect_columns(legs: pl.DataFrame, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in legs.columns]
    if missing:
        raise UnexpectedColumns("fills", missing, legs.columns)


def _expect_to_fit(usd: pl.Series) -> None:
    """Sums of groups would wrap around silently; no sum exceeds that of all."""
    total = float(usd.cast(pl.Float64).sum() or 0.0)
    if total >= _MOST_USD:
        raise OverflowError(f"{total:.3g} USD in one table: expected less than {_MOST_USD:.0e}")
