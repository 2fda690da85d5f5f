"""Integers of two words against Python's, which have no end."""

import random
from fractions import Fraction

from numba import njit

from vigil_core.artemis.wide import as_float, divided, is_less, minus, plus, rounded, times

Pair = tuple[int, int]


@njit
def _all(a, b, c, by):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    product = times(a, b)
    return (
        product,
        plus(product, c),
        minus(times(product, c), product),
        is_less(product, times(c, c)),
        rounded(product, by),
        as_float(product),
    )


@njit
def _divided(a, b, by):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    return divided(times(a, b), by)


def number(pair: Pair) -> int:
    return (int(pair[1]) << 64) + int(pair[0]) % 2**64


def wrapped(value: int) -> int:
    return (value + 2**127) % 2**128 - 2**127


def test_they_count_as_python_does() -> None:
    chance = random.Random(1)

    def drawn() -> int:
        return chance.choice([1, -1]) * chance.getrandbits(chance.randint(1, 62))

    for _ in range(3_000):
        a, b, c, by = drawn(), drawn(), drawn(), abs(drawn()) + 1
        product, added, taken, less, nearest, near = _all(a, b, c, by)
        assert number(product) == a * b
        assert number(added) == a * b + c
        assert number(taken) == wrapped(a * b * c - a * b)
        assert less == (a * b < c * c)
        assert number(nearest) == round(Fraction(a * b, by))
        assert abs(near - a * b) <= max(4_096, abs(a * b) * 1e-15)
        quotient, rest = _divided(abs(a), abs(b), by)
        assert (number(quotient), rest) == divmod(abs(a * b), by)


def test_ties_go_to_the_even_one() -> None:
    for value in range(-50, 51):
        assert number(_all(value, 1, 0, 10)[4]) == round(Fraction(value, 10))
