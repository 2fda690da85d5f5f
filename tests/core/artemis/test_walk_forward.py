"""A walk forward finds a planted signal, finds nothing in noise, and never looks ahead."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from vigil_core.artemis.parameters import FEATURES, STEP_MS
from vigil_core.artemis.training import Fold, uniqueness, walk_forward_folds
from vigil_core.artemis.transforms import FeatureTransform
from vigil_core.artemis.walk_forward import (
    KNOWN,
    SCORED,
    WalkForward,
    deciles,
    shifted_outcomes,
    walk_forward,
)
from vigil_core.calendar import DAY_MS

START = 20_000 * DAY_MS
HALF_HOUR = 6 * STEP_MS
Floats = npt.NDArray[np.float64]


def world(strength: float, days: int = 10, seed: int = 1) -> pl.DataFrame:
    """Two coins, five-minute rows; returns overlap as real ones do."""
    random = np.random.default_rng(seed)
    coins = []
    for coin in ("BTC", "ETH"):
        size = days * 288
        steps = random.normal(size=size + 6)
        returns = np.convolve(steps, np.ones(6), "valid")[1:]
        at = START + np.arange(size) * STEP_MS
        columns: dict[str, Any] = {name: random.normal(size=size) ** 2 for name in FEATURES}
        columns["cvd_normalized_5m"] = strength * returns / 6**0.5 + random.normal(size=size)
        frame = pl.DataFrame({"coin": [coin] * size, "snapshot_at": at, **columns}).with_columns(
            label_end_at=pl.col("snapshot_at") + 48 * STEP_MS,
            ret_next_30m=pl.Series(0.002 * returns),
            uniqueness_30m=pl.Series(uniqueness(at, HALF_HOUR)),
        )
        coins.append(frame)
    return pl.concat(coins)


def folds_of(rows: pl.DataFrame, min_train_days: int = 3) -> list[Fold]:
    return walk_forward_folds(
        int(rows["snapshot_at"].min()),  # type: ignore[arg-type]
        int(rows["snapshot_at"].max()),  # type: ignore[arg-type]
        min_train_days=min_train_days,
        test_days=1,
        step_days=1,
    )


def least_squares(train: pl.DataFrame, test: pl.DataFrame) -> Floats:
    fitted = FeatureTransform.fit(train)
    weights, *_ = np.linalg.lstsq(
        np.column_stack([np.ones(train.height), fitted.transform(train)]),
        train["outcome"].to_numpy(),
    )
    found: Floats = np.column_stack([np.ones(test.height), fitted.transform(test)]) @ weights
    return found


def judged(rows: pl.DataFrame, seed: int = 7) -> WalkForward:
    return walk_forward(rows, folds_of(rows), least_squares, seed=seed, resamples=500)


def test_a_planted_signal_is_found_in_every_measure() -> None:
    found = judged(world(strength=0.7)).overall

    assert [one.is_better_than_chance for one in found.scores.values()] == [True, True, True]
    correlation = found.scores["rank_correlation"].model.value
    assert correlation is not None
    assert 0.4 < correlation < 0.7


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_not_called_better_than_chance(seed: int) -> None:
    found = judged(world(strength=0.0, seed=seed), seed=seed).overall

    assert [one.is_better_than_chance for one in found.scores.values()] == [False, False, False]


class Recorder:
    """A model that remembers what it was given."""

    def __init__(self) -> None:
        self.trains: list[pl.DataFrame] = []
        self.tests: list[pl.DataFrame] = []
        self.transforms: list[FeatureTransform] = []

    def __call__(self, train: pl.DataFrame, test: pl.DataFrame) -> Floats:
        self.trains.append(train)
        self.tests.append(test)
        self.transforms.append(FeatureTransform.fit(train))
        return np.arange(test.height, dtype=np.float64)


def test_nothing_that_is_fitted_sees_a_row_of_the_test_or_after_it() -> None:
    rows = world(strength=0.5, days=7)
    [fold] = folds_of(rows, min_train_days=3)[:1]
    is_late = pl.col("snapshot_at") >= fold.test_start
    poison = [
        pl.when(is_late).then(1e9).otherwise(name).alias(name)
        for name in (*FEATURES, "ret_next_30m", "uniqueness_30m")
    ]
    clean, poisoned = Recorder(), Recorder()

    first = walk_forward(rows, [fold], clean, seed=3)
    second = walk_forward(rows.with_columns(poison), [fold], poisoned, seed=3)

    # True outcomes and shifted ones.
    assert len(clean.trains) == len(poisoned.trains) == 2
    for one, other in zip(clean.trains, poisoned.trains, strict=True):
        assert_frame_equal(one, other)
        assert one["snapshot_at"].max() <= fold.last_train_snapshot_at  # type: ignore[operator]
    for fitted, again in zip(clean.transforms, poisoned.transforms, strict=True):
        np.testing.assert_array_equal(fitted.medians, again.medians)
        np.testing.assert_array_equal(fitted.means, again.means)
        np.testing.assert_array_equal(fitted.deviations, again.deviations)
    for name in ("train_rows", "effective_train_rows", "shift_days"):
        assert getattr(first.folds[0], name) == getattr(second.folds[0], name)
    for name in ("constant", "constant_sign"):
        assert_frame_equal(first.predictions.select(name), second.predictions.select(name))


def test_the_outcome_of_the_test_is_not_handed_to_the_model() -> None:
    rows = world(strength=0.5, days=5)
    model = Recorder()

    walk_forward(rows, folds_of(rows), model, seed=3)

    assert {tuple(test.columns) for test in model.tests} == {KNOWN}
    assert set(model.trains[0].columns) == {*KNOWN, "outcome", "weight"}


def test_counts_say_what_was_left_out() -> None:
    rows = world(strength=0.0, days=7)
    fold = folds_of(rows, min_train_days=3)[1]

    [found] = walk_forward(rows, [fold], least_squares, seed=3).folds

    # The label of the 48th row before the test ends when the test starts.
    assert found.purged_rows == 2 * 47
    assert found.train_rows == 2 * (4 * 288 - 47)
    assert found.judged.test_rows == 2 * 288
    # From the end of the test to 4 h after its last label: 47 rows and 48 more.
    assert found.embargoed_rows == 2 * 95
    assert found.judged.effective_test_rows == pytest.approx(2 * 288 / 6, rel=0.02)
    assert found.effective_train_rows == pytest.approx(found.train_rows / 6, rel=0.02)


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    rows = world(strength=0.5, days=6).with_columns(
        pl.when(pl.col("snapshot_at") % (10 * STEP_MS) == 0)
        .then(None)
        .otherwise("ret_next_30m")
        .alias("ret_next_30m")
    )
    missing = rows["ret_next_30m"].null_count()

    found = walk_forward(rows, folds_of(rows), least_squares, seed=3)

    assert found.rows_without_target == missing > 300
    assert found.predictions["outcome"].null_count() == 0


def test_shifted_outcomes_are_those_of_the_same_time_on_another_day() -> None:
    minutes = [0, 288, 576, 864, 5, 293]
    train = pl.DataFrame(
        {
            "coin": ["BTC"] * 4 + ["ETH"] * 2,
            "snapshot_at": [START + slot * STEP_MS for slot in minutes],
            "outcome": [0.0, 1.0, 2.0, 3.0, 10.0, 11.0],
        }
    )

    days, shifted = shifted_outcomes(train, np.random.default_rng(0))

    assert days in {1, 2, 3}
    found = shifted.filter(coin="BTC")["outcome"].to_list()
    assert found == [float((day + days) % 4) for day in range(4)]
    # ETH has two days of four: only where the other day is one of them is there an outcome.
    assert shifted.filter(coin="ETH").height == {1: 1, 2: 0, 3: 1}[days]


def test_a_single_day_cannot_be_shifted() -> None:
    rows = world(strength=0.5, days=8)
    fold = Fold(START, START + DAY_MS // 2, START + 6 * DAY_MS, 0)

    found = walk_forward(rows, [fold], least_squares, seed=3)

    assert found.folds[0].shift_days is None
    assert found.overall.scores["sign_accuracy"].shifted.reason == "no_shift"
    assert found.overall.scores["sign_accuracy"].is_better_than_chance is None


def test_no_folds_are_no_verdict() -> None:
    found = walk_forward(world(strength=0.5, days=2), [], least_squares, seed=3)

    assert found.predictions.schema == SCORED
    assert found.overall.positive_share is None
    for one in found.overall.scores.values():
        assert (one.model.value, one.model.reason) == (None, "no_rows")
        assert one.is_better_than_chance is None


def test_single_days_have_scores_and_only_all_of_them_an_interval() -> None:
    found = judged(world(strength=0.7))

    assert len(found.folds) == 6
    for one in found.folds:
        assert one.judged.scores["rank_correlation"].model.reason == "too_few_days"
    assert found.overall.test_rows == sum(one.judged.test_rows for one in found.folds)


def test_days_are_those_of_the_folds_though_the_first_snapshot_is_not_at_midnight() -> None:
    rows = world(strength=0.5, days=6).filter(pl.col("snapshot_at") > START)

    found = walk_forward(rows, folds_of(rows)[:2], least_squares, seed=3)

    assert found.predictions["day"].value_counts().sort("day").rows() == [(3, 576), (4, 576)]


@pytest.mark.parametrize("wrong", [np.zeros(3), np.full(576, np.nan)])
def test_predictions_must_be_as_many_as_rows_and_finite(wrong: Floats) -> None:
    rows = world(strength=0.5, days=5)

    with pytest.raises(ValueError, match="finite predictions"):
        walk_forward(rows, folds_of(rows), lambda _train, _test: wrong, seed=3)


def test_deciles_rise_with_a_signal() -> None:
    found = deciles(judged(world(strength=0.7)).predictions)

    assert found["decile"].to_list() == list(range(1, 11))
    assert found["rows"].sum() == 6 * 2 * 288
    assert found["mean_outcome"][0] < 0 < found["mean_outcome"][-1]
    assert found["mean_prediction"].is_sorted()


def test_equal_predictions_share_a_decile() -> None:
    rows = judged(world(strength=0.7)).predictions.with_columns(model=pl.lit(1.0))

    assert deciles(rows).height == 1


def test_the_result_is_plain_json() -> None:
    found = judged(world(strength=0.7))

    read = json.loads(json.dumps(found.as_json(), allow_nan=False))

    assert read["target"] == "ret_next_30m"
    assert len(read["folds"]) == 6
    assert read["folds"][0]["test_start"] == START + 3 * DAY_MS
    assert read["overall"]["scores"]["rank_correlation"]["is_better_than_chance"] is True
