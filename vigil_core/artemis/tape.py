"""Fills → trades, and what is read off them: flow, candles, liquidations.

A trade is in the fills once per side. Transfers that no order met (deleveraging, take-overs by
the backstop, settlements) are kept apart: they are no flow, and make no price.

Volumes are exact: a product of two figures of twelve decimals has twenty-four.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import polars as pl

from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import MONEY

NOTIONAL = pl.Decimal(38, 24)
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
_KNOWN = {*_OBLIGATORY, *_OPTIONAL, "user_address"}
_EXECUTION = ["time", "block_number", "event_index"]
_TRADE = ["time", "_coin", "_pair"]
_MOST_USD = 1e14


def is_perp(coin: str = "coin") -> pl.Expr:
    """Whether a column names a perp, a builder's (`xyz:TSLA`) included: not `@1`, `#1`, `A/B`."""
    return ~pl.col(coin).str.contains(r"^[@#]|/")


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
    rows = _perp_rows(legs)
    took = pl.col("crossed").fill_null(value=False)
    buys = pl.col("side") == "B"
    rows = rows.with_columns(
        (took & buys).alias("_took_and_bought"), buys.alias("_buys"), _is_off_book(rows)
    )
    grouped = rows.group_by(_TRADE, maintain_order=True).agg(
        pl.col("coin", "tid", "px", "sz", "block_number", "event_index").first(),
        pl.col("crossed").sum().alias("_takers"),
        pl.col("crossed").count().alias("_crossed_known"),
        pl.col("_took_and_bought", "_buys", "is_off_book").any(),
    )
    counted = grouped.filter((pl.col("_crossed_known") > 0) | pl.col("_buys"))
    side = pl.when("_took_and_bought").then(pl.lit("B")).otherwise(pl.lit("A"))
    taker_side = pl.when(pl.col("_takers") == 1).then(side).alias("taker_side")
    return counted.with_columns(taker_side).select(list(TRADE_SCHEMA))


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
    inside = _between(trades, start, end)
    names = _names(inside["coin"].unique() if coins is None else coins)
    usd = inside.select(
        "coin", "taker_side", "is_off_book", _opens(BUCKET_MS), notional().alias("_")
    )
    _expect_to_fit(usd["_"])
    on_book, side = ~pl.col("is_off_book"), pl.col("taker_side")
    parts = (on_book, on_book & (side == "B"), on_book & (side == "A"), on_book & side.is_null())
    kinds = zip(FLOW_COLUMNS, (*parts, pl.col("is_off_book")), strict=True)
    sums = usd.group_by("coin", "open_time").agg(
        pl.col("_").filter(part).sum().alias(name) for name, part in kinds
    )
    grid = names.join(_slots(BUCKET_MS, start, end, covered), how="cross")
    rows = grid.join(sums, on=["coin", "open_time"], how="left", maintain_order="left")
    zeros = [pl.col(name).fill_null(Decimal(0)).cast(NOTIONAL) for name in FLOW_COLUMNS]
    return rows.select("coin", pl.col("open_time").alias("recorded_at"), *zeros)


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
    """
    on_book = _between(trades, start, end).filter(~pl.col("is_off_book"))
    names = _names({*on_book["coin"].unique(), *previous_close} if coins is None else coins)
    px = pl.col("px")
    built = on_book.group_by("coin", _opens(interval_ms), maintain_order=True).agg(
        px.first().alias("open"),
        px.max().alias("high"),
        px.min().alias("low"),
        px.last().alias("close"),
        pl.col("sz").sum().alias("volume"),
        pl.len().cast(pl.Int64).alias("trades"),
    )
    grid = names.join(_slots(interval_ms, start, end, covered), how="cross")
    rows = grid.join(built, on=["coin", "open_time"], how="left", maintain_order="left")
    return _flat_where_empty(rows, previous_close, _first_open(interval_ms, start))


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
    _expect_columns(legs, _OBLIGATORY)
    if not {"crossed", "tid"} & set(legs.columns):
        raise UnexpectedColumns("fills", ["crossed or tid"], legs.columns)
    names = [name for name in legs.columns if name in _KNOWN]
    absent = {name: dtype for name, dtype in _OPTIONAL.items() if name not in names}
    known = legs.select(
        *names, *(pl.lit(None, dtype=dtype).alias(n) for n, dtype in absent.items())
    )
    unpaired = pl.col("tid").fill_null(0) == 0
    counts = pl.col("crossed").fill_null(pl.col("side") == "B")
    is_dust = pl.col("dir").eq_missing(DUST_CONVERSION)
    rows = known.filter(is_perp(), ~is_dust, ~unpaired | counts)
    # Files come in this order; telling that is much faster than sorting them again.
    if not rows.select(pl.struct(_EXECUTION)).to_series().is_sorted():
        rows = rows.sort(_EXECUTION, maintain_order=True)
    return rows.with_columns(
        # Numbers make faster keys than names.
        pl.col("coin").cast(pl.Categorical).to_physical().alias("_coin"),
        pl.when(unpaired).then(-1 - pl.int_range(pl.len())).otherwise("tid").alias("_pair"),
    )


def _is_off_book(rows: pl.DataFrame) -> pl.Expr:
    label = pl.col("dir")
    known = label.is_in(OFF_BOOK) | label.str.starts_with("Liquidated ")
    if rows["dir"].null_count():
        by_backstop = pl.col("liquidation").str.json_path_match("$.method") == "backstop"
        known = pl.coalesce(known, by_backstop)
    return known.fill_null(value=False).alias("is_off_book")


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


def _between(trades: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    return trades.filter(pl.col("time").is_between(start, end, closed="left"))


# --- buckets -------------------------------------------------------------------------------


def _opens(interval_ms: int) -> pl.Expr:
    return (pl.col("time") // interval_ms * interval_ms).alias("open_time")


def _first_open(interval_ms: int, at: int) -> int:
    return -(-at // interval_ms) * interval_ms


def _slots(interval_ms: int, start: int, end: int, covered: Covered) -> pl.DataFrame:
    """Wholly covered intervals in [start, end), numbered by the unbroken `run` they are in."""
    opens: list[int] = []
    runs: list[int] = []
    for run, (since, until) in enumerate(merged_spans(covered)):
        first = _first_open(interval_ms, max(since, start))
        last = min(until, end) - interval_ms
        found = range(first, last + 1, interval_ms)
        opens.extend(found)
        runs.extend([run] * len(found))
    schema = {"open_time": pl.Int64, "run": pl.Int64}
    return pl.DataFrame({"open_time": opens, "run": runs}, schema=schema)


def _names(coins: Iterable[str]) -> pl.DataFrame:
    return pl.DataFrame({"coin": sorted(set(coins))}, schema={"coin": pl.String})


def _flat_where_empty(
    rows: pl.DataFrame, previous_close: Mapping[str, Decimal], first_open: int
) -> pl.DataFrame:
    schema = {"coin": pl.String(), "_before": MONEY}
    before = {"coin": list(previous_close), "_before": list(previous_close.values())}
    seeded = rows.join(
        pl.DataFrame(before, schema=schema), on="coin", how="left", maintain_order="left"
    )
    runs = rows.filter(pl.col("open_time") == first_open)["run"].unique()
    carried = pl.col("close").forward_fill().over("coin", "run")
    reaches_back = pl.when(pl.col("run").is_in(runs.implode())).then("_before")
    filled = pl.col("close").is_null()
    candles = seeded.with_columns(
        pl.coalesce(carried, reaches_back).alias("close"), filled.alias("filled")
    ).filter(pl.col("close").is_not_null())
    flat = [pl.col(name).fill_null(pl.col("close")) for name in ("open", "high", "low")]
    nothing = [pl.col("volume").fill_null(Decimal(0)).cast(MONEY), pl.col("trades").fill_null(0)]
    return candles.with_columns(*flat, *nothing).select(list(CANDLE_SCHEMA))


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
