"""A snapshot is what could be known at its instant: whatever comes later changes none of it.

That the check can find a leak is shown with mutants of the module, each of which looks ahead in
one place.
"""

import inspect
import random
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import polars as pl
import pytest

from tests.core.artemis.test_features import DAY_TIMES, World, cut_before, frame, world
from vigil_core.artemis import features as module
from vigil_core.artemis.features import MarketTables
from vigil_core.artemis.parameters import FEATURES

INSTANTS = 1_000
SEEDS = (1, 2, 3)

MUTANTS = {
    "price of the candle that opens at t": [
        ("times.min() - reach, times.max())", "times.min() - reach, times.max() + STEP_MS)"),
        ("_places(opens, times - STEP_MS)", "_places(opens, times)"),
    ],
    "flow of the bucket that starts at t": [
        ("_BUCKETS * STEP_MS, times.max())", "_BUCKETS * STEP_MS, times.max() + STEP_MS)"),
        ("_places(starts, times - STEP_MS)", "_places(starts, times)"),
    ],
    "volume of the bucket that starts at t": [
        ("_BUCKETS * STEP_MS, times.max())", "_BUCKETS * STEP_MS, times.max() + STEP_MS)"),
        ("_runs(starts, times - _FLOW_BUCKETS", "_runs(starts, times - (_FLOW_BUCKETS - 1)"),
    ],
    "minute that opens at t": [
        ("+ 1) * MINUTE_MS, times.max())", "+ 1) * MINUTE_MS, times.max() + MINUTE_MS)"),
        ("_runs(opens, times - (_RETURNS + 1)", "_runs(opens, times - _RETURNS"),
    ],
    "liquidations of the next five minutes": [
        ("times.min() - window, times.max())", "times.min() - window, times.max() + STEP_MS)"),
        ("for back in (window, HOUR_MS, 0)", "for back in (window, HOUR_MS, -STEP_MS)"),
    ],
    "rate stamped t": [
        ('_before(funding, "time", times.max())', '_before(funding, "time", times.max() + 1)'),
        ("np.searchsorted(stamps, times) - 1", 'np.searchsorted(stamps, times, "right") - 1'),
    ],
    "open interest recorded at t": [
        ('"recorded_at", times.max(), "kind")', '"recorded_at", times.max() + 1, "kind")'),
        ("np.searchsorted(known, times) - 1", 'np.searchsorted(known, times, "right") - 1'),
    ],
    "fills of the next five minutes": [
        ('(pl.col("end") <= until)', '(pl.col("end") <= until + STEP_MS)'),
        (
            "first, np.searchsorted(self.ends, end,",
            "first, np.searchsorted(self.ends, end + STEP_MS,",
        ),
    ],
    "balances recorded at t": [
        (
            '_before(tables.balances, "recorded_at", times',
            '_before(tables.balances, "recorded_at", 1 + times',
        ),
        ("balances_delay_ms, times) - 1", 'balances_delay_ms, times, "right") - 1'),
    ],
    "bots of the end of the day": [
        ('pl.col("as_of") == day)', 'pl.col("as_of") == day + DAY_MS)'),
    ],
}
"""What each looks ahead at, and the places of the module that are changed for it."""

Features = Callable[..., pl.DataFrame]


def changed_by_later_rows(features: Features, seed: int, place: int) -> set[str]:
    """Columns of the snapshot that differ with rows after it, shuffled ones or none."""
    tables, t = world(seed).tables, DAY_TIMES[place]
    known = cut_before(tables, t)
    poison = World.poison(world(seed), t)
    poisoned = {
        name: pl.concat([rows, frame(name, poison.get(name, []))]).sample(
            fraction=1, shuffle=True, seed=place
        )
        for name, rows in known.items()
    }
    without = features(MarketTables(**known), "BTC", [t]).to_dicts()[0]
    changed: set[str] = set()
    for others in (tables, MarketTables(**poisoned)):
        row = features(others, "BTC", [t]).to_dicts()[0]
        changed |= {name for name, value in row.items() if value != without[name]}
    return changed


def instants(count: int) -> Iterator[tuple[int, int]]:
    rng = random.Random("no look-ahead")
    for _ in range(count):
        yield rng.choice(SEEDS), rng.randrange(len(DAY_TIMES))


def mutant(places: list[tuple[str, str]]) -> Features:
    text = inspect.getsource(module)
    for old, new in places:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    made = ModuleType("mutant_of_features")
    sys.modules[made.__name__] = made
    try:
        exec(compile(text, made.__name__, "exec"), made.__dict__)
    finally:
        del sys.modules[made.__name__]
    found: Features = made.__dict__["features"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_comes_later_changes_no_feature_at_a_thousand_instants() -> None:
    for seed, place in instants(INSTANTS):
        assert changed_by_later_rows(module.features, seed, place) == set(), (seed, place)


@pytest.mark.parametrize("places", MUTANTS.values(), ids=MUTANTS.keys())
def test_a_mutant_that_looks_ahead_is_caught(places: list[tuple[str, str]]) -> None:
    features = mutant(places)
    assert any(
        changed_by_later_rows(features, seed, place) & set(FEATURES)
        for seed, place in instants(100)
    )
