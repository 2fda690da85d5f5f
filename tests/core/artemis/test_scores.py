"""Scores beside chance: their values, their intervals, and what is not defined."""

import numpy as np
import polars as pl
import pytest

from vigil_core.artemis.scores import (
    CONSTANT_FORECAST,
    CONSTANT_OUTCOME,
    MEAN_ABSOLUTE_ERROR,
    NO_DIRECTION,
    NO_ROWS,
    NO_SHIFT,
    PREDICTIONS,
    RANK_CORRELATION,
    SIGN_ACCURACY,
    TOO_FEW_DAYS,
    UNDEFINED_RESAMPLE,
    Comparison,
    Estimate,
    compare,
    widening,
)


def predictions(**columns: object) -> pl.DataFrame:
    """Rows to compare; one fold and one row per day, unless said otherwise."""
    height = len(columns["outcome"])  # type: ignore[arg-type]
    base = {
        "fold": [0] * height,
        "day": list(range(height)),
        "model": columns["outcome"],
        "shifted": [0.1] * height,
        "constant": [0.0] * height,
        "constant_sign": [1.0] * height,
    }
    return pl.DataFrame({**base, **columns}).select(
        pl.col(name).cast(kind) for name, kind in PREDICTIONS.items()
    )


def noisy(days: int, strength: float, seed: int, rows_per_day: int = 48) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    size = days * rows_per_day
    signal, noise, other = random.normal(size=(3, size))
    return predictions(
        outcome=strength * signal + noise,
        model=strength * signal,
        shifted=strength * other,
        day=np.repeat(np.arange(days), rows_per_day),
    )


def test_mean_absolute_error_counts_distances() -> None:
    rows = predictions(outcome=[1.0, -2.0, 4.0], model=[2.0, -2.0, 1.0])

    found = compare(rows, seed=1)[MEAN_ABSOLUTE_ERROR]

    assert found.model.value == pytest.approx(4 / 3)
    assert found.constant.value == pytest.approx(7 / 3)
    assert found.over_constant.value == pytest.approx(1.0)


def test_rank_correlation_is_of_ranks_within_each_fold() -> None:
    rows = predictions(
        outcome=[1.0, 2.0, 30.0, 1.0, 2.0, 3.0],
        # The second fold's model lives at another level, in the same order but for one pair.
        model=[0.1, 0.2, 0.3, 905.0, 907.0, 906.0],
        fold=[0, 0, 0, 1, 1, 1],
    )

    found = compare(rows, seed=1)[RANK_CORRELATION]

    assert found.model.value == pytest.approx((1.0 + 0.5) / 2)


def test_sign_accuracy_leaves_out_outcomes_of_zero_and_counts_forecasts_of_zero_as_wrong() -> None:
    rows = predictions(
        outcome=[1.0, -1.0, 0.0, 2.0, -3.0],
        model=[0.5, 0.5, 0.5, 0.0, -9.0],
        constant_sign=[1.0, 1.0, 1.0, -1.0, -1.0],
    )

    found = compare(rows, seed=1)[SIGN_ACCURACY]

    assert found.model.value == pytest.approx(2 / 4)
    assert found.constant.value == pytest.approx(2 / 4)


def test_a_constant_has_no_correlation_and_the_model_is_held_against_zero() -> None:
    found = compare(noisy(days=8, strength=1.0, seed=3), seed=1)[RANK_CORRELATION]

    assert found.constant == Estimate(None, reason=CONSTANT_FORECAST)
    assert found.over_constant == found.model
    assert found.is_better_than_chance is True


def test_a_constant_that_differs_between_folds_has_no_correlation_either() -> None:
    rows = predictions(
        outcome=[1.0, 2.0, 3.0, 4.0], constant=[0.1, 0.1, 0.2, 0.2], fold=[0, 0, 1, 1]
    )

    assert compare(rows, seed=1)[RANK_CORRELATION].constant.reason == CONSTANT_FORECAST


def test_signal_is_better_than_chance_in_every_measure() -> None:
    found = compare(noisy(days=10, strength=1.0, seed=5), seed=1)

    assert [one.is_better_than_chance for one in found.values()] == [True, True, True]
    for one in found.values():
        assert one.over_shifted.low is not None
        assert one.over_shifted.low > 0


def test_noise_is_seldom_called_better_than_chance() -> None:
    verdicts = [
        one.is_better_than_chance
        for seed in range(60)
        for one in compare(noisy_forecast(seed), seed=seed, resamples=400).values()
    ]

    assert len(verdicts) == 180
    assert sum(verdict is True for verdict in verdicts) <= 9


def noisy_forecast(seed: int) -> pl.DataFrame:
    outcome, model, shifted = np.random.default_rng(seed).normal(size=(3, 6 * 48))
    days = np.repeat(np.arange(6), 48)
    return predictions(outcome=outcome, model=model, shifted=shifted, day=days)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    # Days that differ much, so that rows alone would claim far too narrow an interval.
    covered = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        level = np.repeat(random.normal(size=7), 40)
        rows = predictions(outcome=10 + level, model=np.zeros(280), day=np.repeat(np.arange(7), 40))
        found = compare(rows, seed=seed, resamples=400)[MEAN_ABSOLUTE_ERROR].model
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 10 <= found.high

    assert 180 <= covered <= 198


def test_the_same_seed_gives_the_same_interval() -> None:
    rows = noisy(days=6, strength=0.3, seed=2)

    assert compare(rows, seed=4) == compare(rows, seed=4)
    assert compare(rows, seed=4) != compare(rows, seed=5)


def test_few_days_have_a_score_and_no_interval() -> None:
    found = compare(noisy(days=4, strength=1.0, seed=3), seed=1)[SIGN_ACCURACY]

    assert found.model.value is not None
    assert (found.model.low, found.model.high, found.model.reason) == (None, None, TOO_FEW_DAYS)
    assert found.is_better_than_chance is None


def undefined(rows: pl.DataFrame, measure: str) -> Comparison:
    return compare(rows, seed=1)[measure]


def test_what_is_not_defined_is_none_with_a_reason() -> None:
    nothing = predictions(outcome=[])
    unshifted = predictions(outcome=[1.0, 2.0], shifted=[None, None])
    flat = predictions(outcome=[2.0, 2.0], model=[1.0, 3.0])
    still = predictions(outcome=[0.0, 0.0], model=[1.0, 3.0])
    stubborn = predictions(outcome=[1.0, 2.0], model=[3.0, 3.0])

    for measure in (MEAN_ABSOLUTE_ERROR, RANK_CORRELATION, SIGN_ACCURACY):
        assert undefined(nothing, measure).model == Estimate(None, reason=NO_ROWS)
        assert undefined(unshifted, measure).shifted == Estimate(None, reason=NO_SHIFT)
        assert undefined(unshifted, measure).over_shifted == Estimate(None, reason=NO_SHIFT)
    assert undefined(flat, RANK_CORRELATION).model == Estimate(None, reason=CONSTANT_OUTCOME)
    assert undefined(stubborn, RANK_CORRELATION).model == Estimate(None, reason=CONSTANT_FORECAST)
    assert undefined(still, SIGN_ACCURACY).model == Estimate(None, reason=NO_DIRECTION)


def test_a_score_that_some_resample_does_not_have_has_no_interval() -> None:
    # A resample of the days 0 … 4 alone knows no direction.
    rows = predictions(outcome=[0.0, 0.0, 0.0, 0.0, 0.0, 1.0])

    found = compare(rows, seed=1)[SIGN_ACCURACY].model

    assert found == Estimate(1.0, reason=UNDEFINED_RESAMPLE)


def test_json_holds_the_figures_and_the_verdict() -> None:
    found = compare(noisy(days=6, strength=1.0, seed=3), seed=1)[RANK_CORRELATION].as_json()

    assert found["constant"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": CONSTANT_FORECAST,
    }
    assert found["is_better_than_chance"] is True


@pytest.mark.parametrize(("days", "t"), [(5, 2.776), (6, 2.571), (15, 2.145), (61, 2.0)])
def test_intervals_are_widened_by_students_t(days: int, t: float) -> None:
    expected = t / 1.96 * (days / (days - 1)) ** 0.5

    assert widening(days, 0.95) == pytest.approx(expected, rel=0.02)
