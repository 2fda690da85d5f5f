"""How good predictions are beside chance, and how sure that is.

Every score here is a function of sums over rows. So a resample of whole days needs the sums of
the days only, and the intervals of a year of rows take no longer than those of a week.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
RANK_CORRELATION = "rank_correlation"
SIGN_ACCURACY = "sign_accuracy"

NO_ROWS = "no_rows"
NO_SHIFT = "no_shift"
NO_DIRECTION = "no_direction"
CONSTANT_FORECAST = "constant_forecast"
CONSTANT_OUTCOME = "constant_outcome"
TOO_FEW_DAYS = "too_few_days"
UNDEFINED_RESAMPLE = "undefined_resample"

MIN_DAYS = 5
"""Of fewer days there are too few different resamples for an interval to mean anything."""

PREDICTIONS: dict[str, pl.DataType] = {
    "fold": pl.Int64(),
    "day": pl.Int64(),
    "outcome": pl.Float64(),
    "model": pl.Float64(),
    "shifted": pl.Float64(),
    "constant": pl.Float64(),
    "constant_sign": pl.Float64(),
}
"""What is compared, one row per test row.

`day`: any numbering of whole days. `shifted`: by the model fitted to shifted labels, NULL without
one. `constant`: training median. `constant_sign`: of the training majority.
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval, in the unit of the measure."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    """Why there is no value or, beside a value, why there is no interval."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of the model, and of two forecasts that know nothing.

    The advantages are differences on the same resamples, positive where the model is better.
    A constant has no correlation; the model's own is then held against 0.
    """

    model: Estimate
    constant: Estimate
    shifted: Estimate
    over_constant: Estimate
    over_shifted: Estimate

    @property
    def is_better_than_chance(self) -> bool | None:
        """Whether both intervals lie above 0; None where one of them is not known."""
        lows = (self.over_constant.low, self.over_shifted.low)
        if any(low is None for low in lows):
            return None
        return all(low is not None and low > 0 for low in lows)

    def as_json(self) -> dict[str, Any]:
        """All figures, with the verdict."""
        return {**asdict(self), "is_better_than_chance": self.is_better_than_chance}


def compare(
    predictions: pl.DataFrame, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> dict[str, Comparison]:
    """Score the model, the constant and the model of shifted labels on the same rows.

    Sign accuracy leaves out outcomes of exactly 0; a forecast of 0 has no direction and is wrong.
    Ranks are taken within each fold, whose models may differ in level. No weights: inside an
    unbroken series all rows weigh the same.

    Args:
        predictions: Columns of `PREDICTIONS`.
        seed: Of the resamples.
        resamples: How often as many days as there are, all coins together, are drawn with
            replacement.
        level: Share of the resamples inside an interval, before it is widened for few days.

    Returns:
        Per measure: mean absolute error (unit of the outcome), rank correlation (-1 … 1) and
        sign accuracy (fraction).
    """
    days = _Days.drawn(predictions["day"], seed, resamples, level)
    found = {}
    for measure, rule in _RULES.items():
        model, constant, shifted = (
            _scored(predictions, rule, column, days)
            for column in ("model", rule.constant, "shifted")
        )
        # What a constant would score if it had a correlation.
        zero = _Scored.zero(days) if measure == RANK_CORRELATION else constant
        found[measure] = Comparison(
            model=days.estimate(model),
            constant=days.estimate(constant),
            shifted=days.estimate(shifted),
            over_constant=days.estimate(model.over(zero, rule.sign)),
            over_shifted=days.estimate(model.over(shifted, rule.sign)),
        )
    return found


def widening(days: int, level: float) -> float:
    """By how much resamples of few days understate an interval: Student's t over the normal.

    The variance within n drawn days is (n - 1) / n of the true one, and itself uncertain. At 95 %:

    >>> round(widening(5, 0.95), 2), round(widening(14, 0.95), 2), round(widening(365, 0.95), 2)
    (1.56, 1.14, 1.0)

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5, two terms.
    """
    z, freedom = NormalDist().inv_cdf((1 + level) / 2), days - 1
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return float(t / z * (days / freedom) ** 0.5)


# --- rows → sums → score -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rule:
    statistics: Callable[[pl.DataFrame, str], pl.DataFrame]
    """One row per row: what is summed."""
    score: Callable[[Floats], Floats]
    """From sums in the last axis; NaN where it is not defined."""
    constant: str
    sign: int
    """1 where more is better."""


def _absolute_errors(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    return rows.select(pl.lit(1.0).alias("n"), error=(pl.col(column) - pl.col("outcome")).abs())


def _hits(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    has_direction = pl.col("outcome") != 0
    is_hit = has_direction & (pl.col(column).sign() == pl.col("outcome").sign())
    return rows.select(n=has_direction.cast(pl.Float64), hits=is_hit.cast(pl.Float64))


def _rank_products(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    # Around 0 and of size 1, so that equal forecasts have exactly no variance.
    x, y = (
        ((pl.col(name).rank() - (pl.len() + 1) / 2) / pl.len()).over("fold").alias(short)
        for name, short in ((column, "x"), ("outcome", "y"))
    )
    ranks = rows.select(x, y)
    return ranks.select(
        pl.lit(1.0).alias("n"), "x", "y", xx=pl.col("x") ** 2, yy=pl.col("y") ** 2,
        xy=pl.col("x") * pl.col("y"),
    )  # fmt: skip


def _mean(sums: Floats) -> Floats:
    count, total = np.moveaxis(sums, -1, 0)
    return _ratio(total, count)


def _correlation(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread = _spread(n, x, xx) * _spread(n, y, yy)
    return _ratio(n * xy - x * y, np.sqrt(spread))


def _spread(n: Floats, x: Floats, xx: Floats) -> Floats:
    spread = n * xx - x * x
    # Equal values leave a rest of the rounding, of either sign.
    return np.where(spread > 1e-12 * n * xx, spread, 0.0)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    undefined = np.full(np.shape(numerator), np.nan)
    found: Floats = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return found


_RULES = {
    MEAN_ABSOLUTE_ERROR: _Rule(_absolute_errors, _mean, "constant", -1),
    RANK_CORRELATION: _Rule(_rank_products, _correlation, "constant", 1),
    SIGN_ACCURACY: _Rule(_hits, _mean, "constant_sign", 1),
}


# --- intervals -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scored:
    """A score of all rows, and of each resample; NaN where it is not defined."""

    value: float
    resampled: Floats
    reason: str | None

    @classmethod
    def zero(cls, days: "_Days") -> "_Scored":
        return cls(0.0, np.zeros(len(days.draws)), None)

    def over(self, other: "_Scored", sign: int) -> "_Scored":
        return _Scored(
            sign * (self.value - other.value),
            sign * (self.resampled - other.resampled),
            self.reason or other.reason,
        )


@dataclass(frozen=True, slots=True)
class _Days:
    """Resamples of whole days."""

    place: npt.NDArray[np.int64]
    """Of each row: which day it is of."""
    draws: Floats
    """(resamples, days): how often each day is drawn."""
    level: float

    @classmethod
    def drawn(cls, day: pl.Series, seed: int, resamples: int, level: float) -> "_Days":
        days, place = np.unique(day.to_numpy(), return_inverse=True)
        if not days.size:
            return cls(place, np.empty((resamples, 0)), level)
        shares = np.full(days.size, 1 / days.size)
        draws = np.random.default_rng(seed).multinomial(days.size, shares, size=resamples)
        return cls(place, draws.astype(np.float64), level)

    def sums(self, statistics: pl.DataFrame) -> Floats:
        """(days, statistics)."""
        count = self.draws.shape[1]
        columns = [np.bincount(self.place, column.to_numpy(), count) for column in statistics]
        return np.column_stack(columns)

    def estimate(self, scored: _Scored) -> Estimate:
        if scored.reason is not None:
            return Estimate(None, reason=scored.reason)
        if self.draws.shape[1] < MIN_DAYS:
            return Estimate(scored.value, reason=TOO_FEW_DAYS)
        if np.isnan(scored.resampled).any():
            return Estimate(scored.value, reason=UNDEFINED_RESAMPLE)
        tail = (1 - self.level) / 2
        reach = np.quantile(scored.resampled, [tail, 1 - tail]) - scored.value
        low, high = scored.value + reach * widening(self.draws.shape[1], self.level)
        return Estimate(scored.value, float(low), float(high))


def _scored(rows: pl.DataFrame, rule: _Rule, column: str, days: _Days) -> _Scored:
    nothing = np.full(len(days.draws), np.nan)
    if rows.is_empty():
        return _Scored(np.nan, nothing, NO_ROWS)
    if rows[column].has_nulls():
        return _Scored(np.nan, nothing, NO_SHIFT)
    sums = days.sums(rule.statistics(rows, column))
    value = float(rule.score(sums.sum(axis=0)))
    if np.isnan(value):
        return _Scored(np.nan, nothing, _why_undefined(rows, rule))
    return _Scored(value, rule.score(days.draws @ sums), None)


def _why_undefined(rows: pl.DataFrame, rule: _Rule) -> str:
    if rule.statistics is _hits:
        return NO_DIRECTION
    varies = rows.group_by("fold").agg(pl.col("outcome").n_unique() > 1)["outcome"].any()
    return CONSTANT_FORECAST if varies else CONSTANT_OUTCOME
