"""Features for linear models: fitted on training rows, finite everywhere."""

import math

import numpy as np
import polars as pl
import pytest

from vigil_core.artemis.parameters import FEATURES
from vigil_core.artemis.transforms import FeatureTransform


def rows(**columns: list[float | None]) -> pl.DataFrame:
    """Rows of features; those not named are NULL."""
    height = len(next(iter(columns.values())))
    return pl.DataFrame(
        {name: columns.get(name, [None] * height) for name in FEATURES},
        schema=dict.fromkeys(FEATURES, pl.Float64),
    )


def transformed(name: str, train: list[float | None], test: list[float | None]) -> list[float]:
    fitted = FeatureTransform.fit(rows(**{name: train}))
    found: list[float] = fitted.transform(rows(**{name: test}))[:, FEATURES.index(name)].tolist()
    return found


@pytest.mark.parametrize(
    "name",
    ["liq_magnet_direction", "liq_cascade_active", "cvd_normalized_5m", "sessions_overlapping"],
)
def test_some_features_stay_as_they_are(name: str) -> None:
    assert transformed(name, [0.5, 0.25], [-0.75, 2.0]) == [-0.75, 2.0]


def test_funding_is_clipped_to_five_deviations() -> None:
    found = transformed("funding_vs_30d_zscore", [1.0], [-7.5, -4.5, 6.0])

    assert found == [-5.0, -4.5, 5.0]


@pytest.mark.parametrize("name", ["hours_to_funding", "price_change_5m_pct", "realized_vol_1h"])
def test_others_are_standardised_with_the_training_rows(name: str) -> None:
    # Mean 3, standard deviation 2.
    assert transformed(name, [1.0, 5.0], [4.0, -1.0]) == [0.5, -2.0]


@pytest.mark.parametrize(
    "name", ["oi_vs_7d_avg_ratio", "liq_1h_vs_4h_avg", "volume_vs_1h_avg_ratio"]
)
def test_ratios_are_standardised_after_their_logarithm(name: str) -> None:
    e = math.e
    # Logarithms of 1 + x: 1 and 3, so mean 2 and deviation 1.
    found = transformed(name, [e - 1, e**3 - 1], [0.0, e**4 - 1])

    assert found == pytest.approx([-2.0, 2.0])


def test_pressure_keeps_its_sign_under_the_logarithm() -> None:
    found = transformed("oi_funding_pressure", [1.0], [math.e - 1, 0.0, 1 - math.e**2])

    assert found == pytest.approx([1.0, 0.0, -2.0])


def test_what_is_not_known_becomes_the_training_median() -> None:
    assert transformed("cvd_normalized_5m", [0.1, None, 0.4, 0.9], [None, -1.0]) == [0.4, -1.0]
    # Median 1, mean 2, deviation √2: standardised like any other value.
    found = transformed("price_change_5m_pct", [1.0, 1.0, 4.0], [None])
    assert found == pytest.approx([-1 / math.sqrt(2)])


def test_a_feature_without_training_values_is_zero_even_where_the_test_knows_it() -> None:
    assert transformed("realized_vol_1h", [None, None], [0.7, None]) == [0.0, 0.0]
    assert transformed("cvd_normalized_5m", [None], [0.7]) == [0.0]


def test_equal_training_values_do_not_divide_by_zero() -> None:
    assert transformed("hours_to_funding", [0.5, 0.5], [0.75]) == [0.25]


def test_everything_is_finite_and_in_the_order_of_the_features() -> None:
    train = rows(**{name: [0.2, None, 0.7] for name in FEATURES})

    found = FeatureTransform.fit(train).transform(train)

    assert found.shape == (3, len(FEATURES))
    assert np.isfinite(found).all()


def test_the_rows_it_is_applied_to_change_nothing_that_was_learnt() -> None:
    fitted = FeatureTransform.fit(rows(cvd_normalized_5m=[0.1, 0.3]))
    before = (fitted.medians.copy(), fitted.means.copy(), fitted.deviations.copy())

    fitted.transform(rows(cvd_normalized_5m=[1e9, None]))

    after = (fitted.medians, fitted.means, fitted.deviations)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
