"""Splits, folds and weights of training rows."""

import json
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.shared_files import shared_folder
from vigil_core.artemis.parameters import STEP_MS
from vigil_core.artemis.training import (
    clipped_targets,
    overlap,
    split,
    uniqueness,
    walk_forward_folds,
)

DAY = 1_762_041_600_000
DAY_MS = 86_400_000


def cases(function: str) -> list[Any]:
    """Cases of one function, none where there is no shared folder."""
    try:
        folder = shared_folder() / "data/vectors/artemis"
    except pytest.skip.Exception:
        return []
    names = ("training", "sources_and_splits")
    suites = [json.loads((folder / f"{name}.json").read_text("utf-8")) for name in names]
    found = [case for suite in suites for case in suite["cases"] if case["function"] == function]
    return [pytest.param(case["inputs"], case["expected"], id=case["id"]) for case in found]


@pytest.mark.parametrize(("inputs", "expected"), cases("training_split"))
def test_split_is_that_of_the_vector(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    rows = inputs["rows"]
    columns = ([row[name] for row in rows] for name in ("snapshot_at", "label_end_at"))

    sets = split(*columns, inputs["test_start"], inputs["test_end"], inputs["embargo_ms"])

    for name, ids in expected.items():
        assert [row["id"] for row, found in zip(rows, sets, strict=True) if found == name] == ids


@pytest.mark.parametrize(("inputs", "expected"), cases("walk_forward_folds"))
def test_folds_are_those_of_the_vector(
    inputs: dict[str, Any], expected: list[dict[str, int]]
) -> None:
    assert [asdict(fold) for fold in walk_forward_folds(**inputs)] == expected


@pytest.mark.parametrize(("inputs", "expected"), cases("label_uniqueness"))
def test_uniqueness_is_that_of_the_vector(inputs: dict[str, Any], expected: list[float]) -> None:
    found = uniqueness(inputs["snapshot_at"], inputs["horizon_ms"])

    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_inside_an_unbroken_series_a_label_is_worth_a_sixth() -> None:
    weights = uniqueness([DAY + n * STEP_MS for n in range(20)], 6 * STEP_MS)

    assert overlap(6 * STEP_MS) == 6
    assert weights[5:15].tolist() == pytest.approx([1 / 6] * 10, rel=1e-15)


@given(
    places=st.lists(st.integers(0, 60), max_size=30),
    length=st.sampled_from([1, 3, 6, 48]),
)
def test_uniqueness_equals_a_slow_one(places: list[int], length: int) -> None:
    alive = [set(range(place, place + length)) for place in places]
    slow = [
        sum(Fraction(1, sum(b in other for other in alive)) for b in mine) / length
        for mine in alive
    ]

    found = uniqueness([DAY + place * STEP_MS for place in places], length * STEP_MS)

    np.testing.assert_allclose(found, [float(weight) for weight in slow], rtol=1e-12)


@given(
    at=st.lists(st.integers(0, 200), max_size=40),
    start=st.integers(0, 200),
    length=st.integers(0, 60),
)
def test_no_label_reaches_from_one_set_into_the_other(
    at: list[int], start: int, length: int
) -> None:
    end = start + length
    label_end = [moment + 48 for moment in at]

    sets = split(at, label_end, start, end, 10)

    rows = list(zip(at, label_end, sets.tolist(), strict=True))
    test = [(a, e) for a, e, found in rows if found == "test"]
    for a, e, found in rows:
        assert (found == "test") == (start <= a < end)
        if found == "train":
            assert e <= start or all(a >= other + 10 for _, other in test)
        if found == "purged":
            assert a < start < e


def test_labels_that_end_as_the_test_begins_are_trained_on() -> None:
    assert split([0, 1, 5, 20], [4, 6, 9, 30], 5, 10, 3).tolist() == [
        "train",
        "purged",
        "test",
        "train",
    ]
    assert split([0, 12, 13], [4, 20, 20], 5, 10, 3).tolist() == ["train", "embargoed", "train"]


def test_nothing_in_gives_nothing_out() -> None:
    assert split([], [], 5, 10).tolist() == []
    assert uniqueness([], STEP_MS).tolist() == []


def test_a_test_that_has_not_ended_is_no_fold() -> None:
    assert len(walk_forward_folds(DAY, DAY + 74 * DAY_MS)) == 1
    assert walk_forward_folds(DAY, DAY + 74 * DAY_MS - 1) == []


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match="label ends"):
        split([1], [], 0, 1)
    with pytest.raises(ValueError, match="ends after"):
        split([1], [2], 5, 4)
    with pytest.raises(ValueError, match="step_days=0"):
        walk_forward_folds(DAY, DAY, step_days=0)
    with pytest.raises(ValueError, match="steps of"):
        uniqueness([DAY + 1], STEP_MS)


def test_targets_are_clipped_and_stay_unknown() -> None:
    names = ("best_long_roe_30m_net", "best_short_roe_30m_net")
    rows = pl.DataFrame({names[0]: [20.5, -3.0, None], names[1]: [-99.0, 20.0, 1.0]})

    assert clipped_targets(rows).rows() == [(20.0, -20.0), (-3.0, 20.0), (None, 1.0)]
