"""Texts as numbers, against a dictionary."""

import random

import polars as pl
import pytest

from vigil_core.artemis import text_codes
from vigil_core.artemis.text_codes import Codes, TextMissing

LENGTHS = (0, 1, 3, 4, 5, 8, 11, 12, 13, 14, 16, 17, 20, 24, 31, 42, 100)
"""Around what fits a view, and what fills whole words."""


def same(columns: list[pl.Series]) -> None:
    found = Codes.of(*columns)
    texts = [text for column in columns for text in column.cast(pl.String)]
    assert found.texts.to_list() == sorted(set(texts))
    assert found.column(found.codes).to_list() == texts


@pytest.mark.parametrize("seed", range(40))
def test_codes_are_places_among_the_sorted_texts(seed: int) -> None:
    chance = random.Random(seed)
    # Of two letters: many have their beginning or their end in common.
    different = [
        "".join(chance.choices("ab", k=chance.choice(LENGTHS)))
        for _ in range(chance.choice([1, 5, 300]))
    ]
    drawn = [
        pl.Series(chance.choices(different, k=chance.choice([0, 1, 50, 2_000])), dtype=pl.String)
        for _ in range(3)
    ]
    same([drawn[0], pl.concat([drawn[1], drawn[0].slice(3, 40)]), drawn[2].cast(pl.Categorical)])


def test_more_texts_than_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_codes, "_FIRST_SLOTS", 1 << 10)
    same([pl.Series([f"0x{number % 9_000:040x}" for number in range(20_000)])])


def test_no_text_is_no_key() -> None:
    with pytest.raises(TextMissing, match="user_address"):
        Codes.of(pl.Series("user_address", ["a", None]))
