"""How wallets traded: FIFO pieces and fills of a window → one profile per wallet.

Everything a profile needs of a day is one row per wallet (`piece_days`, `fills_summary`), and rows
of several days make the profile of a longer window: ninety days are never in memory at once.
`wallet_days` makes these rows in one pass; the functions here say what they are, and do it in
frames where that pass does not fit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_core.errors import VigilError
from vigil_core.fills.schema import MONEY, MONEY_SCALE

WINDOW_DAYS: dict[str, int | None] = {"1d": 1, "30d": 30, "90d": 90, "all": None}
"""Days before `as_of`; `all` has no beginning."""

STYLES_BELOW_MS = {"scalper": HOUR_MS, "day_trader": DAY_MS, "swing": 7 * DAY_MS}
"""Style → the mean holding time it stays under; whoever stays under none has a `position` style."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLimits:
    """From what on there is a profile, and who is a bot."""

    min_volume_usd: int = 50_000
    """Wallets with less in the window have no row; exactly this is enough."""
    min_fills: int = 10
    min_pieces: int = 5
    bot_above_per_day: int = 50
    bot_below_ms: int = 120_000
    """A bot is strictly above the one and strictly below the other, the mean holding time."""


DEFAULT_LIMITS = ProfileLimits()

PIECE_DAYS: dict[str, pl.DataType] = {
    "address": pl.String(),
    "day": pl.Int64(),
    "trade_count": pl.Int64(),
    "unpriced_pieces": pl.Int64(),
    "winning_pieces": pl.Int64(),
    "losing_pieces": pl.Int64(),
    "gross_profit_usd": MONEY,
    "gross_loss_usd": MONEY,
    "net_pnl_usd": MONEY,
    "highest_usd": MONEY,
    "lowest_usd": MONEY,
    "fall_usd": MONEY,
    "hold_ms": pl.Int64(),
    "pnl_pct_sum": pl.Float64(),
    "first_entry": pl.Int64(),
    "last_exit": pl.Int64(),
}
"""One row per wallet and UTC day with pieces, by the exit, sorted. Profit and loss are sums of
`net` above and below 0. `highest_usd`, `lowest_usd` and `fall_usd` (>= 0, the largest fall from a
high) are of the day's curve of cumulative net PnL, which starts at 0; pieces without a known fee
are in none of the sums of `net`. `pnl_pct_sum` is before fees."""

SUMMARY: dict[str, pl.DataType] = {
    "address": pl.String(),
    "day": pl.Int64(),
    "fill_count": pl.Int64(),
    "volume_usd": MONEY,
    "peak_exposure_usd": MONEY,
    "censored_qty": MONEY,
    "continuity_breaks": pl.Int64(),
    "start_unknown": pl.Boolean(),
}
"""One row per wallet and UTC day with perp fills, sorted. `censored_qty` adds base units of all
coins: whether it is 0 matters, not how large it is."""

HELD: dict[str, pl.DataType] = {
    "address": pl.String(),
    "coin": pl.String(),
    "position": MONEY,
    "px": MONEY,
}
"""Positions other than 0, signed, with the price of the wallet's own last fill, sorted."""

FIGURES = (
    "win_rate",
    "profit_factor",
    "avg_hold_hours",
    "avg_pnl_pct",
    "trades_per_day",
    "style",
    "is_bot",
    "trade_curve_max_drawdown_usd",
    "max_drawdown_on_peak_exposure",
    "max_drawdown",
    "equity",
)
"""What may be NULL; each has a column `<figure>_reason`, NULL exactly when the figure is not."""

PROFILES: dict[str, pl.DataType] = {
    "address": pl.String(),
    "as_of": pl.Int64(),
    "window": pl.String(),
    "fill_count": pl.Int64(),
    "volume_usd": MONEY,
    "trade_count": pl.Int64(),
    "unpriced_pieces": pl.Int64(),
    "censored_qty": MONEY,
    "continuity_breaks": pl.Int64(),
    "start_unknown": pl.Boolean(),
    "gross_profit_usd": MONEY,
    "gross_loss_usd": MONEY,
    "net_pnl_usd": MONEY,
    "peak_exposure_usd": MONEY,
    "capital_basis": pl.String(),
    "win_rate": pl.Float64(),
    "profit_factor": pl.Float64(),
    "avg_hold_hours": pl.Float64(),
    "avg_pnl_pct": pl.Float64(),
    "trades_per_day": pl.Float64(),
    "style": pl.String(),
    "is_bot": pl.Boolean(),
    "trade_curve_max_drawdown_usd": MONEY,
    "max_drawdown_on_peak_exposure": pl.Float64(),
    "max_drawdown": pl.Float64(),
    "equity": MONEY,
    "reason": pl.String(),
    **{f"{figure}_reason": pl.String() for figure in FIGURES},
}
"""Key: `address, as_of, window`. Money in USD, exact; `avg_pnl_pct` in percent, before fees; the
other ratios are fractions, `max_drawdown_on_peak_exposure` at most 0. `trade_count` counts pieces,
not decisions. `reason` is why there is no profile at all: `too_few_fills`, `too_few_trades`."""

LARGEST_USD = 1e11
"""Of one exposure: a thousand of them still fit 128 bits at the twenty-fourth decimal."""


class ExposureTooLarge(VigilError):
    """A position times its price is beyond what 128 bits hold exactly."""

    def __init__(self, usd: float) -> None:
        super().__init__(f"expected exposures below {LARGEST_USD:.0e} USD, found {usd:.3e}")


@dataclass(frozen=True)
class Exposure:
    """`peaks` (`address, peak_exposure_usd`), one row per wallet with fills, and `HELD` after."""

    peaks: pl.DataFrame
    held: pl.DataFrame


def window_start(as_of: int, window: str) -> int | None:
    """Ms UTC at which a window before `as_of` begins, None for `all`."""
    days = WINDOW_DAYS[window]
    return None if days is None else as_of - days * DAY_MS


def wallet_profiles(
    pieces: pl.DataFrame,
    summary: pl.DataFrame,
    as_of: int,
    window: str,
    limits: ProfileLimits = DEFAULT_LIMITS,
) -> pl.DataFrame:
    """Profiles of all wallets that traded enough: rows of `PROFILES`, sorted by address.

    Pieces as `fifo.match` gives them, of any days and in any order; those that end in
    [`as_of` - window, `as_of`) count. `summary`: rows of `SUMMARY`, those of days that begin there.
    """
    start = window_start(as_of, window)
    inside = pieces.filter(_within("exit_at", start, as_of))
    return profiles_of_days(piece_days(inside), summary, as_of, window, limits)


def profiles_of_days(
    days: pl.DataFrame,
    summary: pl.DataFrame,
    as_of: int,
    window: str,
    limits: ProfileLimits = DEFAULT_LIMITS,
) -> pl.DataFrame:
    """The same from rows of `PIECE_DAYS`, one per wallet and day, of which whole days count."""
    start = window_start(as_of, window)
    traded = _added(summary.filter(_within("day", start, as_of)))
    traded = traded.filter(pl.col("volume_usd") >= pl.lit(limits.min_volume_usd).cast(MONEY))
    inside = days.filter(_within("day", start, as_of))
    closed = _joined(inside.join(traded, on="address", how="semi"))
    wallets = traded.join(closed, on="address", how="left").sort("address")
    return _with_reasons(_figures(_defaults(wallets), limits), limits).select(
        pl.lit(as_of, pl.Int64).alias(name)
        if name == "as_of"
        else pl.lit(window).alias(name)
        if name == "window"
        else pl.col(name).cast(type_)
        for name, type_ in PROFILES.items()
    )


def _within(column: str, start: int | None, end: int) -> pl.Expr:
    before = pl.col(column) < end
    return before if start is None else before & (pl.col(column) >= start)


# --- days ----------------------------------------------------------------------------------


def piece_days(pieces: pl.DataFrame) -> pl.DataFrame:
    """What profiles need of pieces: rows of `PIECE_DAYS`."""
    key = ["address", "day"]
    ordered = (
        pieces.with_columns(day=_day("exit_at"))
        .sort("address", "exit_at", "exit_block", "exit_index", "coin", "piece")
        .with_columns(level=pl.col("net").fill_null(0).cum_sum().over(key))
        .with_columns(
            high=pl.max_horizontal(pl.col("level").cum_max().over(key), _usd(0)),
            percent=_percent(),
        )
    )
    net = pl.col("net")
    days = ordered.group_by(key, maintain_order=True).agg(
        trade_count=pl.len(),
        unpriced_pieces=net.null_count(),
        winning_pieces=(net > 0).sum(),
        losing_pieces=(net < 0).sum(),
        gross_profit_usd=net.filter(net > 0).sum(),
        gross_loss_usd=net.filter(net < 0).sum(),
        net_pnl_usd=net.sum(),
        highest_usd=pl.max_horizontal(pl.col("level").max(), _usd(0)),
        lowest_usd=pl.min_horizontal(pl.col("level").min(), _usd(0)),
        fall_usd=(pl.col("high") - pl.col("level")).max(),
        hold_ms=pl.col("hold_ms").sum(),
        first_entry=pl.col("entry_at").min(),
        last_exit=pl.col("exit_at").max(),
    )
    totals = in_order_sums(ordered["percent"], days["trade_count"])
    return days.with_columns(pnl_pct_sum=totals).select(
        pl.col(name).cast(type_) for name, type_ in PIECE_DAYS.items()
    )


def fills_summary(
    fills: pl.DataFrame, positions: pl.DataFrame, peaks: pl.DataFrame | None = None
) -> pl.DataFrame:
    """What profiles need of one day's perp fills: rows of `SUMMARY`.

    `positions` as `fifo.match` gives them for these fills, `peaks` as `peak_exposure` does;
    without it exposures are NULL.
    """
    of_fills = fills.group_by(address=pl.col("user_address").cast(pl.String)).agg(
        day=_day("time").first(),
        fill_count=pl.len(),
        volume_usd=(pl.col("px") * pl.col("sz")).sum(),
    )
    of_positions = positions.group_by("address").agg(
        pl.col("censored_qty", "continuity_breaks").sum(), pl.col("start_unknown").any()
    )
    if peaks is None:
        peaks = pl.DataFrame(schema={"address": pl.String(), "peak_exposure_usd": MONEY})
    return (
        of_fills.join(of_positions, on="address", how="left")
        .join(peaks, on="address", how="left")
        .sort("address")
        .select(pl.col(name).cast(type_) for name, type_ in SUMMARY.items())
    )


def _day(time: str) -> pl.Expr:
    return pl.col(time) - pl.col(time) % DAY_MS


def _usd(value: int) -> pl.Expr:
    return pl.lit(value).cast(MONEY)


def _percent() -> pl.Expr:
    """Price move of a piece in its own direction; NULL from a price of 0."""
    entry, exit_ = (pl.col(name).cast(pl.Float64) for name in ("entry_px", "exit_px"))
    move = 100 * (exit_ - entry) / pl.when(entry != 0).then(entry)
    return pl.when(pl.col("direction") == "long").then(move).otherwise(-move)


def in_order_sums(values: pl.Series, lengths: pl.Series) -> pl.Series:
    """Sums of floats, one after the other: how many threads there are changes no bit."""
    starts = lengths.cum_sum().to_numpy() - lengths.to_numpy()
    if not len(starts):
        return pl.Series(dtype=pl.Float64)
    sums = np.add.reduceat(values.cast(pl.Float64).fill_null(np.nan).to_numpy(), starts)
    return pl.Series(sums).fill_nan(None)


def _added(summary: pl.DataFrame) -> pl.DataFrame:
    return summary.group_by("address").agg(
        pl.col("fill_count", "volume_usd", "censored_qty", "continuity_breaks").sum(),
        pl.col("peak_exposure_usd").max(),
        pl.col("start_unknown").any(),
    )


def _stacked(days: pl.DataFrame) -> pl.DataFrame:
    """Sorted days, where a fall may begin at a high of an earlier one."""
    before = (pl.col("net_pnl_usd").cum_sum() - pl.col("net_pnl_usd")).over("address")
    return (
        days.with_columns(high=before + pl.col("highest_usd"), low=before + pl.col("lowest_usd"))
        .with_columns(crest=pl.col("high").cum_max().shift(fill_value=0).over("address"))
        .with_columns(
            fall_usd=pl.max_horizontal(
                pl.col("fall_usd"), pl.max_horizontal("crest", _usd(0)) - pl.col("low")
            )
        )
        .select(days.columns)
    )


def _joined(days: pl.DataFrame) -> pl.DataFrame:
    """Days of each wallet as one: their curves are set one on top of the other."""
    days = days.sort("address", "day")
    # Windows cost by the wallet, and the only day of one is its curve as it is.
    is_alone = pl.len().over("address") == 1
    several = _stacked(days.filter(~is_alone))
    curve = pl.concat([days.filter(is_alone), several]).sort("address", "day")
    sums = ("trade_count", "unpriced_pieces", "winning_pieces", "losing_pieces", "hold_ms")
    money = ("gross_profit_usd", "gross_loss_usd", "net_pnl_usd")
    wallets = curve.group_by("address", maintain_order=True).agg(
        pl.col(*sums, *money).sum(),
        pl.col("fall_usd").max(),
        pl.col("first_entry").min(),
        pl.col("last_exit").max(),
        day_count=pl.len(),
    )
    totals = in_order_sums(curve["pnl_pct_sum"], wallets["day_count"])
    return wallets.with_columns(pnl_pct_sum=totals)


# --- figures -------------------------------------------------------------------------------


def _defaults(wallets: pl.DataFrame) -> pl.DataFrame:
    """A wallet that closed nothing has zeros, not unknowns."""
    counted = ("trade_count", "unpriced_pieces", "winning_pieces", "losing_pieces", "hold_ms")
    money = ("gross_profit_usd", "gross_loss_usd", "net_pnl_usd", "fall_usd", "censored_qty")
    return wallets.with_columns(
        pl.col(*counted, "continuity_breaks").fill_null(0),
        pl.col(*money).fill_null(_usd(0)),
    )


def _float(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64)


def _divided(top: pl.Expr, bottom: pl.Expr) -> pl.Expr:
    return top / pl.when(bottom != 0).then(bottom)


def _figures(wallets: pl.DataFrame, limits: ProfileLimits) -> pl.DataFrame:
    """Every figure where its formula has a value, whether or not the wallet traded enough.

    What is compared with a limit is compared in integers: sums of ms, not rounded hours.
    """
    pieces, hold = pl.col("trade_count"), pl.col("hold_ms")
    span = pl.max_horizontal(pl.col("last_exit") - pl.col("first_entry"), pl.lit(DAY_MS))
    style: Any = pl.when(pieces == 0).then(None)
    for name, below in STYLES_BELOW_MS.items():
        style = style.when(hold < pieces * below).then(pl.lit(name))
    decided = pl.col("winning_pieces") + pl.col("losing_pieces")
    priced = pl.col("unpriced_pieces") == 0
    fall = pl.when(priced).then("fall_usd")
    return wallets.with_columns(
        win_rate=pl.when(priced).then(_divided(pl.col("winning_pieces"), decided)),
        profit_factor=pl.when(priced).then(
            _divided(_float("gross_profit_usd"), -_float("gross_loss_usd"))
        ),
        avg_hold_hours=_divided(hold, pieces) / HOUR_MS,
        avg_pnl_pct=_divided(pl.col("pnl_pct_sum"), pieces),
        trades_per_day=pieces * DAY_MS / span,
        style=style.otherwise(pl.lit("position")),
        is_bot=(pieces * DAY_MS > limits.bot_above_per_day * span)
        & (hold < pieces * limits.bot_below_ms),
        trade_curve_max_drawdown_usd=fall,
        max_drawdown_on_peak_exposure=_divided(-fall.cast(pl.Float64), _float("peak_exposure_usd"))
        + 0.0,
        max_drawdown=pl.lit(None, pl.Float64),
        equity=pl.lit(None, MONEY),
        capital_basis=pl.when(pl.col("peak_exposure_usd") > 0)
        .then(pl.lit("peak_exposure"))
        .otherwise(pl.lit("none")),
    )


def _with_reasons(wallets: pl.DataFrame, limits: ProfileLimits) -> pl.DataFrame:
    reason = (
        pl.when(pl.col("fill_count") < limits.min_fills)
        .then(pl.lit("too_few_fills"))
        .when(pl.col("trade_count") < limits.min_pieces)
        .then(pl.lit("too_few_trades"))
    )
    unpriced = pl.when(pl.col("unpriced_pieces") > 0).then(pl.lit("unpriced_component"))
    own = {
        "win_rate": pl.coalesce(unpriced, pl.lit("zero_denominator")),
        "profit_factor": pl.coalesce(unpriced, pl.lit("no_losses")),
        "trade_curve_max_drawdown_usd": unpriced,
        "max_drawdown_on_peak_exposure": pl.coalesce(unpriced, pl.lit("no_capital_base")),
        "max_drawdown": pl.lit("no_capital_base"),
        "equity": pl.lit("not_available_from_fills"),
    }
    always = {"max_drawdown", "equity"}
    wallets = wallets.with_columns(reason=reason)
    there = pl.col("reason").is_null()
    wallets = wallets.with_columns(pl.when(there).then(figure) for figure in FIGURES)
    return wallets.with_columns(
        pl.when(pl.col(figure).is_null())
        .then(
            own[figure]
            if figure in always
            else pl.coalesce("reason", own.get(figure, pl.lit("zero_denominator")))
        )
        .alias(f"{figure}_reason")
        for figure in FIGURES
    )


# --- exposure ------------------------------------------------------------------------------


def peak_exposure(fills: pl.DataFrame, held: pl.DataFrame | None = None) -> Exposure:
    """The largest Σ over coins of |position| x the wallet's own last price, after each fill.

    Perp fills with `time, user_address, coin, px, sz, side, start_position, block_number,
    event_index`, and what was held before them with the last price paid. A coin of which no fill
    was seen counts nothing, for it has no price. A fill without a start position moves on from the
    position before it. The peak of a window is the largest of those of its days.

    Raises:
        ExposureTooLarge: that of one coin is beyond 1e11 USD.
    """
    held = pl.DataFrame(schema=HELD) if held is None else held
    moves = _moves(fills, held)
    largest = moves.select((_float("position") * _float("px")).abs().max()).item()
    if largest is not None and largest > LARGEST_USD:
        raise ExposureTooLarge(largest)
    by_coin = ["address", "coin"]
    worth = pl.col("position").abs().to_physical() * pl.col("px").to_physical()
    moves = moves.with_columns(worth=worth)
    change = pl.col("worth") - pl.col("worth").shift(fill_value=0).over(by_coin)
    total = change.cum_sum().over("address")
    peaks = (
        moves.with_columns(total=total)
        .filter(pl.col("time").is_not_null())
        .group_by("address", maintain_order=True)
        .agg(peak_exposure_usd=pl.col("total").max())
        .sort("address")
        .with_columns(_at_scale("peak_exposure_usd"))
    )
    last = moves.group_by(by_coin).agg(pl.col("position", "px").last()).sort(by_coin)
    return Exposure(peaks, last.filter(pl.col("position") != 0).select(*HELD))


def _at_scale(column: str) -> pl.Expr:
    one = pl.lit(10**MONEY_SCALE, pl.Int128)
    return (pl.col(column) // one).reinterpret(dtype=MONEY).alias(column)


def _moves(fills: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Position and price of wallets and coins: what was held first, then after every fill."""
    order = ["time", "block_number", "event_index"]
    signed = pl.when(pl.col("side") == "B").then("sz").otherwise(-pl.col("sz"))
    after = fills.sort(order, maintain_order=True).select(
        pl.col("user_address").cast(pl.String).alias("address"),
        pl.col("coin").cast(pl.String),
        "time",
        "px",
        signed=signed,
        position=pl.col("start_position") + signed,
    )
    before = held.select(*HELD).with_columns(
        time=pl.lit(None, pl.Int64), signed=pl.lit(None, MONEY)
    )
    moves = pl.concat([before, after], how="diagonal")
    if not moves["position"].has_nulls():
        return moves
    # From the last known position on, what was bought since.
    by_coin = ["address", "coin"]
    run = pl.col("signed").fill_null(0).cum_sum().over(by_coin)
    base = (pl.col("position") - run).forward_fill().over(by_coin).fill_null(0)
    return moves.with_columns(position=pl.coalesce("position", base + run))
