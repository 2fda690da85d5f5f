"""How labelled rows become training sets: what may be learnt from, and what a row is worth.

A label reaches into the time after its snapshot. Rows whose labels reach into the test are in no
set (purge), nor are those so soon after it that the test's labels reach into them (embargo).
Neighbours share most of their label, so the number of rows says little: the sum of `uniqueness`
is the number of independent ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from vigil_core.artemis.parameters import DEFAULT, LONGEST_HORIZON_MS, STEP_MS, Parameters
from vigil_core.calendar import DAY_MS

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TRAIN = "train"
TEST = "test"
PURGED = "purged"
EMBARGOED = "embargoed"


@dataclass(frozen=True, slots=True)
class Fold:
    """One step of a walk forward, ms UTC. The test is [`test_start`, `test_end`)."""

    train_start: int
    test_start: int
    test_end: int
    last_train_snapshot_at: int
    """The last instant whose label ends by the start of the test."""


def walk_forward_folds(
    first_snapshot_at: int,
    last_snapshot_at: int,
    *,
    label_horizon_ms: int = LONGEST_HORIZON_MS,
    min_train_days: int = DEFAULT.training.min_train_days,
    test_days: int = DEFAULT.training.test_days,
    step_days: int = DEFAULT.training.step_days,
) -> list[Fold]:
    """Folds that all train from the first snapshot on, each test later than the one before.

    Args:
        first_snapshot_at: Of all coins together, ms UTC.
        last_snapshot_at: A fold exists only if its test ends by then.
        label_horizon_ms: How far the labels used reach.
        min_train_days: From the first snapshot to the first test.
        test_days: Length of a test.
        step_days: From one test to the next.

    Raises:
        ValueError: A number of days is not positive.
    """
    if min(min_train_days, test_days, step_days) <= 0:
        raise ValueError(
            "expected positive numbers of days, found "
            f"min_train_days={min_train_days}, test_days={test_days}, step_days={step_days}"
        )
    first_test = first_snapshot_at + min_train_days * DAY_MS
    last_test = last_snapshot_at - test_days * DAY_MS
    return [
        Fold(first_snapshot_at, start, start + test_days * DAY_MS, start - label_horizon_ms)
        for start in range(first_test, last_test + 1, step_days * DAY_MS)
    ]


def split(
    snapshot_at: Sequence[int] | Integers,
    label_end_at: Sequence[int] | Integers,
    test_start: int,
    test_end: int,
    embargo_ms: int = DEFAULT.training.embargo_ms,
) -> npt.NDArray[np.str_]:
    """The set each row belongs to: `train`, `test`, or none (`purged`, `embargoed`).

    Purging is by time, so the rows of all coins go in together. A validation slice is cut from
    the end of the training rows by the same function.

    Args:
        snapshot_at: ms UTC, in any order.
        label_end_at: When each row's label is known, ms UTC.
        test_start: First instant of the test.
        test_end: The first one after it. Rows from here on are trained on only from the embargo
            after the last label of the test (at least after `test_end`).
        embargo_ms: Its length.

    Raises:
        ValueError: The two columns differ in length, or the test ends before it starts.
    """
    at, end = np.asarray(snapshot_at, np.int64), np.asarray(label_end_at, np.int64)
    if at.shape != end.shape:
        raise ValueError(f"expected as many label ends as snapshots, found {end.size}, {at.size}")
    if test_end < test_start:
        raise ValueError(f"expected a test that ends after {test_start}, found {test_end}")
    is_test = (at >= test_start) & (at < test_end)
    last_known = np.max(end[is_test], initial=test_end)
    purged = (at < test_start) & (end > test_start)
    embargoed = (at >= test_end) & (at < last_known + embargo_ms)
    return np.select([is_test, purged, embargoed], [TEST, PURGED, EMBARGOED], TRAIN)


def overlap(horizon_ms: int) -> int:
    """How many labels of an unbroken series are alive at once.

    >>> overlap(1_800_000)
    6
    """
    return horizon_ms // STEP_MS


def uniqueness(snapshot_at: Sequence[int] | Integers, horizon_ms: int) -> Floats:
    """How much of each label is its own: a sample weight; the sum is the effective number of rows.

    The mean over the label's five-minute buckets of 1 / the number of labels alive there.

    Args:
        snapshot_at: Of one coin, on marks of five minutes, ms UTC, in any order.
        horizon_ms: Length of the label, a multiple of five minutes.

    Returns:
        As many fractions in (0, 1], in the order given: 1/6 inside an unbroken series of 30m.

    Raises:
        ValueError: The horizon or an instant is off the grid, or the horizon is not positive.
    """
    at = np.asarray(snapshot_at, np.int64)
    if horizon_ms <= 0 or horizon_ms % STEP_MS or (at % STEP_MS).any():
        raise ValueError(f"expected instants and a horizon in steps of {STEP_MS} ms, found others")
    if not at.size:
        return np.empty(0)
    length = overlap(horizon_ms)
    bucket = (at - at.min()) // STEP_MS
    started = np.bincount(bucket, minlength=int(bucket.max()) + length)
    running = np.cumsum(started)
    running[length:] -= running[:-length].copy()
    # Buckets in which no label is alive are never asked for.
    share = 1.0 / np.maximum(running, 1)
    total = np.zeros(at.size)
    for nth in range(length):
        total += share[bucket + nth]
    return total / length


def clipped_targets(labels: pl.DataFrame, parameters: Parameters = DEFAULT) -> pl.DataFrame:
    """The targets that models are fitted to; the tables hold the figures unclipped.

    Args:
        labels: With `best_long_roe_30m_net` and `best_short_roe_30m_net`, percent.
        parameters: `training.target_clip`, percent.

    Returns:
        `target_long_30m` and `target_short_30m`, one row per row, NULL where the figure is.
    """
    limit = parameters.training.target_clip
    return labels.select(
        pl.col(f"best_{side}_roe_30m_net").clip(-limit, limit).alias(f"target_{side}_30m")
        for side in ("long", "short")
    )
