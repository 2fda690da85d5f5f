"""Open interest: as counted in a snapshot of all accounts, and carried on by the fills since.

One side of it: the longs. Every long has its short, so the two sums must agree.
"""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import polars as pl

from vigil_core.artemis.tape import NOTIONAL, Covered, merged_spans, notional
from vigil_core.artemis.tape_kernel import among, coded, decimals
from vigil_core.artemis.tape_kernel import changes as changes_of_pieces
from vigil_core.calendar import HOUR_MS
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import MONEY, MONEY_SCALE

PRICE_INTERVAL_MS = 300_000
"""The price at an instant is the close of the candle of this length that ends there."""

MAXIMUM_IMBALANCE = Decimal("0.10")
"""A snapshot whose longs and shorts differ by more than this part of their sum is no anchor."""

MAXIMUM_ANCHOR_AGE_MS = 26 * HOUR_MS
"""A day and two hours: one snapshot may be late, none may be missing."""

SNAPSHOT_SCHEMA: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "recorded_at": pl.Int64(),
    "kind": pl.String(),
    "oi_usd": MONEY,
    "oi_short_usd": MONEY,
    "oi_base": MONEY,
    "holders": pl.Int64(),
    "oi_imbalance": pl.Float64(),
    "usable": pl.Boolean(),
}

CARRIED_SCHEMA: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "recorded_at": pl.Int64(),
    "kind": pl.String(),
    "anchor_at": pl.Int64(),
    "oi_usd": NOTIONAL,
    "oi_base": MONEY,
}

_LEG_COLUMNS = ("time", "coin", "side", "sz", "start_position")
_SUM = pl.Decimal(38, MONEY_SCALE + 2)
_NEVER = np.iinfo(np.int64).min


def snapshot_rows(positions: pl.DataFrame, recorded_at: int) -> pl.DataFrame:
    """Open interest per coin as the positions of one snapshot add up to it.

    Args:
        positions: One row per open position: `coin, szi` (signed, base units) and
            `position_value` (USD). Rows with `szi` 0 are no positions.
        recorded_at: When the last account of the snapshot was recorded, ms UTC: the instant the
            sum was known.

    Returns:
        Columns of `SNAPSHOT_SCHEMA`, sorted by coin; see `judged` for the last two.
    """
    size, usd = pl.col("szi"), pl.col("position_value").abs()
    rows = (
        positions.filter(size != 0)
        .group_by("coin")
        .agg(
            usd.filter(size > 0).sum().alias("oi_usd"),
            usd.filter(size < 0).sum().alias("oi_short_usd"),
            size.filter(size > 0).sum().alias("oi_base"),
            pl.len().cast(pl.Int64).alias("holders"),
        )
        .sort("coin")
    )
    stamped = rows.with_columns(
        pl.lit(recorded_at, pl.Int64).alias("recorded_at"), pl.lit("snapshot").alias("kind")
    )
    return judged(stamped).select(list(SNAPSHOT_SCHEMA))


def judged(snapshots: pl.DataFrame, maximum_imbalance: Decimal = MAXIMUM_IMBALANCE) -> pl.DataFrame:
    """Says of each snapshot how far its two sides are apart, and whether that is near enough.

    Args:
        snapshots: With `oi_usd` and `oi_short_usd`.
        maximum_imbalance: At most two decimals; exactly this much is still usable.

    Returns:
        The same with `oi_imbalance` = |L - S| / (L + S), a fraction, NULL where both are 0, and
        `usable`: whether it may be an anchor or an observation.
    """
    both = pl.col("oi_usd") + pl.col("oi_short_usd")
    apart = (pl.col("oi_usd") - pl.col("oi_short_usd")).abs()
    ratio = apart.cast(pl.Float64) / both.cast(pl.Float64)
    # Judged as decimals: in floats 12.5 - 12.4 and 0.1 are not what they are called.
    near = apart.cast(_SUM) <= both.cast(_SUM) * pl.lit(maximum_imbalance)
    return snapshots.with_columns(
        pl.when(both != 0).then(ratio).alias("oi_imbalance"),
        ((both != 0) & near).alias("usable"),
    )


def carried(
    snapshots: pl.DataFrame,
    legs: pl.DataFrame,
    marks: Sequence[int],
    closes: pl.DataFrame,
    covered: Covered,
) -> pl.DataFrame:
    """Open interest at instants between the snapshots.

    The last usable snapshot before the mark, plus what all sides of all trades from then until
    before the mark added to long positions, at the price of the mark.

    Args:
        snapshots: Columns `coin, recorded_at, oi_base, usable`.
        legs: All rows of all users: `time, coin, side, sz, start_position`, in any order.
        marks: Instants, ms UTC.
        closes: Closes of 5-minute candles: `coin, open_time, close`.
        covered: Spans whose fills are loaded, with their `start_position`.

    Returns:
        Columns of `CARRIED_SCHEMA`, sorted by coin and time. A mark has no row where the price is
        missing, where the fills do not cover the time since the anchor (or one of them does not
        know its `start_position`), or where the anchor is older than 26 hours.

    Raises:
        UnexpectedColumns: `legs` lacks a column.
    """
    coins = snapshots.select(pl.col("coin").unique())
    times = pl.DataFrame({"recorded_at": sorted(set(marks))}, schema={"recorded_at": pl.Int64})
    reached = _carried_base(coins.join(times, how="cross"), snapshots, legs, covered)
    price = closes.select(
        "coin",
        (pl.col("open_time") + PRICE_INTERVAL_MS).alias("recorded_at"),
        pl.col("close").cast(MONEY),
    )
    priced = reached.filter(pl.col("oi_base").is_not_null()).join(price, on=["coin", "recorded_at"])
    known = priced.filter(pl.col("close").is_not_null())
    rows = known.with_columns(
        notional("oi_base", "close").alias("oi_usd"), pl.lit("carried").alias("kind")
    )
    return rows.select(list(CARRIED_SCHEMA)).sort("coin", "recorded_at")


def drifts(snapshots: pl.DataFrame, legs: pl.DataFrame, covered: Covered) -> pl.DataFrame:
    """How far the carried open interest had drifted when it was counted again.

    Args:
        snapshots: Columns `coin, recorded_at, oi_base, usable`, and any others.
        legs: As for `carried`.
        covered: As for `carried`.

    Returns:
        The snapshots in their order, with `oi_drift` = carried / counted - 1, a fraction; NULL for
        one that is not usable or counts 0, and where nothing could be carried to it.

    Raises:
        UnexpectedColumns: `legs` lacks a column.
    """
    key = ["coin", "recorded_at"]
    reached = _carried_base(
        snapshots.filter("usable").select(key).unique(), snapshots, legs, covered
    )
    both = snapshots.join(
        reached.select(*key, pl.col("oi_base").alias("_carried")),
        on=key,
        how="left",
        maintain_order="left",
    )
    counted = pl.col("oi_base").cast(pl.Float64)
    drift = pl.col("_carried").cast(pl.Float64) / counted - 1.0
    known = pl.col("usable") & (pl.col("oi_base") != 0)
    return both.with_columns(pl.when(known).then(drift).alias("oi_drift")).drop("_carried")


def changes(legs: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """By how much open interest changed per coin, from the fills alone.

    Args:
        legs: All rows of all users: `time, coin, side, sz, start_position`.
        start: First instant, ms UTC.
        end: Rows stamped here or later change nothing.

    Returns:
        `coin, oi_change_base` (base units; NULL if a row's `start_position` is), sorted by coin.

    Raises:
        UnexpectedColumns: `legs` lacks a column.
    """
    _expect_columns(legs)
    inside = legs.filter(pl.col("time").is_between(start, end, closed="left"))
    change = _change()
    known = pl.when(change.is_not_null().all()).then(change.sum())
    return inside.group_by("coin").agg(known.alias("oi_change_base")).sort("coin")


# --- from an anchor to an instant ----------------------------------------------------------


def _carried_base(
    points: pl.DataFrame, snapshots: pl.DataFrame, legs: pl.DataFrame, covered: Covered
) -> pl.DataFrame:
    """`points` (coin, recorded_at) with `anchor_at` and `oi_base`, both NULL where not known."""
    _expect_columns(legs)
    anchors = snapshots.filter("usable").select(
        "coin", pl.col("recorded_at").alias("anchor_at"), pl.col("oi_base").alias("_anchor_base")
    )
    anchored = points.sort("recorded_at", "coin").join_asof(
        anchors.sort("anchor_at", "coin"),
        left_on="recorded_at",
        right_on="anchor_at",
        by="coin",
        strategy="backward",
        # What is stamped with the very instant is not known at it.
        allow_exact_matches=False,
        check_sortedness=False,
    )
    age = pl.col("recorded_at") - pl.col("anchor_at")
    fresh = anchored.filter((age <= MAXIMUM_ANCHOR_AGE_MS) & _is_covered(covered))
    totals = _running_changes(legs, fresh)
    base = pl.col("_anchor_base") + pl.col("_change_at") - pl.col("_change_then")
    no_gap = pl.col("_gaps_at") == pl.col("_gaps_then")
    return (
        fresh.join(_named(totals, "recorded_at", "_at"), on=["coin", "recorded_at"], how="left")
        .join(_named(totals, "anchor_at", "_then"), on=["coin", "anchor_at"], how="left")
        .with_columns(pl.when(no_gap).then(base).cast(MONEY).alias("oi_base"))
        .select("coin", "recorded_at", "anchor_at", "oi_base")
    )


def _is_covered(covered: Covered) -> pl.Expr:
    since, until = pl.col("anchor_at"), pl.col("recorded_at")
    spans = [(since >= start) & (until <= end) for start, end in merged_spans(covered)]
    return pl.any_horizontal(pl.lit(value=False), *spans)


def _named(totals: pl.DataFrame, instant: str, suffix: str) -> pl.DataFrame:
    return totals.rename(
        {"instant": instant, "_change": f"_change{suffix}", "_gaps": f"_gaps{suffix}"}
    )


def _running_changes(legs: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """Per coin and instant that matters: the sum of all changes before it, and of unknown ones.

    Rows are added up between neighbouring instants first, so that only few are accumulated.
    """
    instants = np.unique(points.select("recorded_at", "anchor_at").to_numpy())
    coins = points["coin"].unique().sort()
    # What lies before the first instant is in all sums, which are only ever subtracted.
    edges = np.concatenate([[_NEVER], instants])
    timed = legs.drop_nulls("time")
    coin = among(coins, coded(timed["coin"]))
    sums, _, gaps = changes_of_pieces(timed, coin, len(coins), edges)
    grid = pl.DataFrame({"instant": instants}, schema={"instant": pl.Int64})
    rows = coins.to_frame("coin").join(grid, how="cross", maintain_order="left_right")
    of_pieces = rows.with_columns(decimals(sums, MONEY).alias("_change"), _gaps=gaps)
    return of_pieces.with_columns(pl.col("_change", "_gaps").cum_sum().over("coin"))


def _change() -> pl.Expr:
    """What a row added to long positions: max(end, 0) - max(start, 0)."""
    start, size = pl.col("start_position"), pl.col("sz")
    end = start + pl.when(pl.col("side") == "B").then(size).otherwise(-size)
    return end.clip(Decimal(0)) - start.clip(Decimal(0))


def _expect_columns(legs: pl.DataFrame) -> None:
    missing = [name for name in _LEG_COLUMNS if name not in legs.columns]
    if missing:
        raise UnexpectedColumns("fills", missing, legs.columns)
