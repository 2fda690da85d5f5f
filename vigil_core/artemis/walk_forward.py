"""A model through the folds of a walk forward, each fold judged against chance.

Chance is twofold: the constant forecast (training median; for signs the training majority), and
the same model fitted to labels that were moved by a random whole number of days, so that they keep
their distribution, their course over the day and their overlap, but not their features. They are
moved inside the training part: nothing that is fitted sees a row of the test.

The sign of `best_*_net` is no direction: it says whether any move of the half hour paid the fee,
which is mostly so (`positive_share`); an accuracy of 80 % can be worse than none. For direction
use `ret_next_*`, which needs no foresight and starts from a price that was still to be had.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from vigil_core.artemis.parameters import DEFAULT, FEATURES
from vigil_core.artemis.scores import PREDICTIONS, Comparison, compare
from vigil_core.artemis.training import EMBARGOED, PURGED, TEST, TRAIN, Fold, split
from vigil_core.calendar import DAY_MS

Floats = npt.NDArray[np.float64]

KNOWN = ("coin", "snapshot_at", *FEATURES)
"""Columns that a model is given to predict from."""

FitPredict = Callable[[pl.DataFrame, pl.DataFrame], Floats]
"""(train, test) → one finite prediction per test row.

Both have the columns `KNOWN`, features NULL where not known; train also `outcome` and `weight`.
Early stopping and tuning need a validation slice cut from the end of train by `training.split`.
"""

SCORED: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "snapshot_at": pl.Int64(),
    "weight": pl.Float64(),
    **PREDICTIONS,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """Test rows and what they say."""

    test_rows: int
    effective_test_rows: float
    """Sum of uniqueness: how many independent rows there are."""
    positive_share: float | None
    """Base rate of the sign: share of outcomes above 0; None without rows."""
    scores: dict[str, Comparison]

    def as_json(self) -> dict[str, Any]:
        """All figures, undefined ones as None."""
        scores = {name: comparison.as_json() for name, comparison in self.scores.items()}
        return {
            "test_rows": self.test_rows,
            "effective_test_rows": self.effective_test_rows,
            "positive_share": self.positive_share,
            "scores": scores,
        }


@dataclass(frozen=True, slots=True)
class JudgedFold:
    """One fold: what was learnt from, and what came of it."""

    fold: Fold
    train_rows: int
    effective_train_rows: float
    purged_rows: int
    embargoed_rows: int
    shift_days: int | None
    """None where the training rows are of a single day: no shift is possible."""
    judged: Judged


@dataclass(frozen=True, slots=True)
class WalkForward:
    """All folds, and their tests taken together. Where tests overlap, rows count in each."""

    target: str
    rows_without_target: int
    folds: list[JudgedFold]
    overall: Judged
    predictions: pl.DataFrame
    """Columns of `SCORED`: one row per test row, by fold, coin and time."""

    def as_json(self) -> dict[str, Any]:
        """Everything but the single predictions; times in ms UTC."""
        folds = []
        for one in self.folds:
            counts = {
                "train_rows": one.train_rows,
                "effective_train_rows": one.effective_train_rows,
                "purged_rows": one.purged_rows,
                "embargoed_rows": one.embargoed_rows,
                "shift_days": one.shift_days,
            }
            folds.append({**asdict(one.fold), **counts, **one.judged.as_json()})
        return {
            "target": self.target,
            "rows_without_target": self.rows_without_target,
            "folds": folds,
            "overall": self.overall.as_json(),
        }


def walk_forward(
    rows: pl.DataFrame,
    folds: Sequence[Fold],
    fit_predict: FitPredict,
    *,
    seed: int,
    target: str = "ret_next_30m",
    weight: str = "uniqueness_30m",
    embargo_ms: int = DEFAULT.training.embargo_ms,
    resamples: int = 2000,
) -> WalkForward:
    """Fit and predict fold by fold, and hold the predictions against chance.

    Args:
        rows: One per coin and snapshot: `KNOWN`, `label_end_at` (ms UTC), `target`, `weight`.
            Rows without target are left out, and counted.
        folds: From `walk_forward_folds`. A fold trains on what `split` gives it from before its
            test: rows after the test are never learnt from.
        fit_predict: Called twice per fold, with true and with shifted outcomes.
        seed: Of the shifts and of the resamples.
        target: Column of the outcome.
        weight: Column of the uniqueness.
        embargo_ms: After the last label of a test.
        resamples: For the intervals; see `compare`.

    Raises:
        ValueError: A prediction is missing or not finite.
    """
    known = rows.filter(pl.col(target).is_not_null()).sort("coin", "snapshot_at")
    ready = known.select(
        *KNOWN,
        "label_end_at",
        pl.col(target).cast(pl.Float64).alias("outcome"),
        pl.col(weight).alias("weight"),
    )
    judged, frames = [], [pl.DataFrame(schema=SCORED)]
    for number, fold in enumerate(folds):
        sets = split(
            ready["snapshot_at"].to_numpy(),
            ready["label_end_at"].to_numpy(),
            fold.test_start,
            fold.test_end,
            embargo_ms,
        )
        is_earlier = (ready["snapshot_at"] < fold.test_start).to_numpy()
        train = ready.filter((sets == TRAIN) & is_earlier).drop("label_end_at")
        test = ready.filter(sets == TEST)
        shift_days, shifted = shifted_outcomes(train, np.random.default_rng([seed, number]))
        scored = _predictions(number, fold, train, shifted, test, fit_predict)
        frames.append(scored)
        judged.append(
            JudgedFold(
                fold=fold,
                train_rows=train.height,
                effective_train_rows=float(train["weight"].sum()),
                purged_rows=int((sets == PURGED).sum()),
                embargoed_rows=int((sets == EMBARGOED).sum()),
                shift_days=shift_days,
                judged=_judged(scored, seed, resamples),
            )
        )
    predictions = pl.concat(frames)
    return WalkForward(
        target=target,
        rows_without_target=rows.height - known.height,
        folds=judged,
        overall=_judged(predictions, seed, resamples),
        predictions=predictions,
    )


def shifted_outcomes(
    train: pl.DataFrame, random: np.random.Generator
) -> tuple[int | None, pl.DataFrame]:
    """Training rows with the outcomes of as many whole days later, around the end to the start.

    Args:
        train: `coin`, `snapshot_at` and `outcome`, with any other columns.
        random: Draws the number of days.

    Returns:
        The number of days, and the rows for which there is an outcome then; None and no rows
        where all are of one day.
    """
    days = (train["snapshot_at"] // DAY_MS).unique()
    if days.len() < 2:
        return None, train.clear()
    first = int(days.min())  # type: ignore[arg-type]
    count = int(days.max()) - first + 1  # type: ignore[arg-type]
    shift = int(random.integers(1, count))
    since = pl.col("snapshot_at") - first * DAY_MS
    source = (since + shift * DAY_MS) % (count * DAY_MS) + first * DAY_MS
    later = train.select("coin", "outcome", source="snapshot_at")
    return shift, (
        train.drop("outcome")
        .with_columns(source=source)
        .join(later, on=["coin", "source"], how="inner", maintain_order="left")
        .drop("source")
    )


def deciles(predictions: pl.DataFrame) -> pl.DataFrame:
    """What followed, by how high the prediction was.

    Args:
        predictions: Columns of `SCORED`.

    Returns:
        `decile` (1 the lowest), `rows`, `mean_prediction`, `mean_outcome`. Equal predictions
        share a decile, so there may be fewer than ten.
    """
    share = pl.col("model").rank() / pl.len()
    return (
        predictions.with_columns(decile=(10 * share).ceil().cast(pl.Int32))
        .group_by("decile")
        .agg(
            rows=pl.len(),
            mean_prediction=pl.col("model").mean(),
            mean_outcome=pl.col("outcome").mean(),
        )
        .sort("decile")
    )


def _predictions(
    number: int,
    fold: Fold,
    train: pl.DataFrame,
    shifted: pl.DataFrame,
    test: pl.DataFrame,
    fit_predict: FitPredict,
) -> pl.DataFrame:
    """Columns of `SCORED`; no rows where there is nothing to learn from, or to predict."""
    if train.is_empty() or test.is_empty():
        return pl.DataFrame(schema=SCORED)
    positive = (train["outcome"] > 0).sum()
    is_mostly_positive = 2 * positive >= (train["outcome"] != 0).sum()
    has_shift = not shifted.is_empty()
    by_chance = _predicted(fit_predict, shifted, test) if has_shift else [None] * test.height
    return test.select(
        "coin",
        "snapshot_at",
        "weight",
        pl.lit(number, pl.Int64).alias("fold"),
        # As folds count them: UTC days would leave rests of days at both ends of a test.
        ((pl.col("snapshot_at") - fold.train_start) // DAY_MS).alias("day"),
        "outcome",
        pl.Series("model", _predicted(fit_predict, train, test), pl.Float64),
        pl.Series("shifted", by_chance, pl.Float64),
        pl.lit(train["outcome"].median(), pl.Float64).alias("constant"),
        pl.lit(1.0 if is_mostly_positive else -1.0).alias("constant_sign"),
    )


def _predicted(fit_predict: FitPredict, train: pl.DataFrame, test: pl.DataFrame) -> Floats:
    # The outcome is not handed over, so it cannot be used by mistake.
    found = np.asarray(fit_predict(train, test.select(KNOWN)), np.float64)
    if found.shape != (test.height,) or not np.isfinite(found).all():
        raise ValueError(
            f"expected {test.height} finite predictions, found {np.isfinite(found).sum()} "
            f"in an array of {found.shape}"
        )
    return found


def _judged(predictions: pl.DataFrame, seed: int, resamples: int) -> Judged:
    outcome = predictions["outcome"]
    return Judged(
        test_rows=predictions.height,
        effective_test_rows=float(predictions["weight"].sum()),
        positive_share=float((outcome > 0).sum()) / outcome.len() if outcome.len() else None,
        scores=compare(predictions, seed=seed, resamples=resamples),
    )
