"""A thinned series keeps its ends and its extremes."""

import random

from vigil_core.thinning import thinned


def test_a_short_series_is_left_alone() -> None:
    assert thinned([3.0, None, 1.0], most=3) == [0, 1, 2]
    assert thinned([]) == []


def test_ends_and_extremes_of_every_bucket_are_kept() -> None:
    rng = random.Random(3)
    values = [None if rng.random() < 0.1 else rng.gauss(0, 1) for _ in range(10_007)]

    kept = thinned(values, most=400)

    assert len(kept) <= 400
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    known = [value for value in values if value is not None]
    shown = [values[place] for place in kept]
    assert min(known) in shown
    assert max(known) in shown
    # No bucket is left out: a hundred of them, of a hundred values each.
    assert {place // 101 for place in kept} == set(range(100))


def test_a_bucket_without_values_keeps_its_ends() -> None:
    assert thinned([None] * 10, most=4) == [0, 9]
