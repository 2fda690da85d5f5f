"""Decimals of 128 bits as integers, against Python's."""

import random
from decimal import Decimal

import numpy as np
import polars as pl

from vigil_core.artemis.positions import LIMIT, ONE, START_STEP, _Scales, decimals_of, halves
from vigil_core.fills.schema import MONEY


def money(values: list[int | None]) -> pl.Series:
    exact = [None if value is None else Decimal(value).scaleb(-12) for value in values]
    return pl.Series(exact, dtype=MONEY)


def drawn(chance: random.Random, bits: int) -> int:
    return chance.choice([1, -1]) * chance.getrandbits(chance.randint(1, bits))


def test_decimals_come_back_from_their_halves() -> None:
    chance = random.Random(1)
    values = money([drawn(chance, 126) // 4 for _ in range(500)])
    assert decimals_of(halves(values)).equals(values)
    assert halves(values.slice(7, 5)).tolist() == halves(values)[7:12].tolist()
    assert halves(money([None, 1])).tolist() == [[0, 0], [1, 0]]


def test_integers_at_the_scale_of_their_coin() -> None:
    """One coin per value, so that each is at the scale it needs itself."""
    chance = random.Random(2)
    values = [drawn(chance, 60) * 10 ** chance.randint(0, 12) for _ in range(5_000)]
    values += [sign * (1 << bit) for bit in range(100) for sign in (1, -1)]
    values = [value for value in values if abs(value) < ONE << 50]
    own = np.arange(len(values), dtype=np.int32)
    for step in (1, START_STEP):
        rounded = [(value + step // 2) // step * step if step > 1 else value for value in values]
        fitting = [place for place, value in enumerate(rounded) if _needed(value)[0] < LIMIT - ONE]
        exact = halves(money([values[place] for place in fitting]))
        scales = _Scales(len(values))
        codes = own[: len(fitting)]
        scales.widen(exact, codes, step)
        found, rest = scales.scaled("values", exact, codes, step)
        for row, place in enumerate(fitting):
            size, decimals = _needed(rounded[place])
            assert scales.decimals[row] == decimals
            assert abs(int(found[row])) == size
            assert int(found[row]) * 10 ** (12 - decimals) == rounded[place]
            if step > 1:
                assert int(rest[row]) == values[place] - rounded[place]


def _needed(value: int) -> tuple[int, int]:
    """Units and decimals of the coarsest scale that holds a value of the twelfth decimal."""
    decimals = 12
    while decimals and value % 10 == 0:
        value //= 10
        decimals -= 1
    return abs(value), decimals
