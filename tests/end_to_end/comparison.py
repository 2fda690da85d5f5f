"""Every column of every row, as the slow reader has it and as the warehouse does."""

import json
from decimal import Decimal
from typing import Any

from tests.conftest import Installation
from tests.reference import aggregates, profiles

Row = dict[str, Any]

KEYS = {
    "fills": ("block_number", "event_index"),
    "trader_daily": ("day", "user_address"),
    "coin_daily": ("day", "coin"),
    "builder_daily": ("day", "builder"),
    "trader_profiles": ("user_address",),
}


def expected_relations(fills: list[Row]) -> dict[str, list[Row]]:
    return {
        "fills": fills,
        "trader_daily": aggregates.trader_daily(fills),
        "coin_daily": aggregates.coin_daily(fills),
        "builder_daily": aggregates.builder_daily(fills),
        "trader_profiles": profiles.trader_profiles(fills),
    }


def assert_equal_everywhere(vigil: Installation, fills: list[Row]) -> None:
    for relation, expected in expected_relations(fills).items():
        found = vigil.records(f"SELECT * FROM {relation}")
        columns = set(found[0]) - {"updated_at"}
        assert columns == set(expected[0]), relation
        key = KEYS[relation]
        assert len(found) == len(expected), relation
        by_key = {tuple(row[c] for c in key): row for row in found}
        for wanted in expected:
            row = by_key[tuple(wanted[c] for c in key)]
            for column in columns:
                assert _same(row[column], wanted[column]), (
                    relation,
                    column,
                    row,
                    wanted,
                )


def _same(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None:
        return found is None and wanted is None
    if isinstance(wanted, float):
        return abs(float(found) - wanted) <= 1e-12 + 1e-9 * abs(wanted)
    if isinstance(wanted, dict):
        # The driver reads JSON numbers as floats; texts, which all known keys are, stay exact.
        return bool(found == json.loads(json.dumps(wanted, default=float)))
    if isinstance(wanted, Decimal):
        return bool(Decimal(found) == wanted)
    return bool(found == wanted)
