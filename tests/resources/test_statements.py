"""What the digest of a query covers."""

from dataclasses import replace

import pytest

from vigil_resources import statements
from vigil_resources.statements import SchemaObject, digest_of

QUERY = "round_trips/fills_of_day"


@pytest.mark.parametrize(
    ("function", "is_covered"),
    [
        ("functions/fee_usd", True),
        # Named by fee_usd alone.
        ("functions/is_usd_stablecoin", True),
        ("functions/wilson_interval", False),
    ],
)
def test_digest_covers_the_functions_a_query_leans_on(
    monkeypatch: pytest.MonkeyPatch, function: str, is_covered: bool
) -> None:
    before = digest_of.__wrapped__(QUERY)
    objects = statements.manifest()

    def edited() -> list[SchemaObject]:
        return [
            replace(item, text=item.text + "-- edited") if item.name == function else item
            for item in objects
        ]

    monkeypatch.setattr(statements, "manifest", edited)

    assert any(item.name == function for item in objects)
    assert (digest_of.__wrapped__(QUERY) != before) is is_covered
