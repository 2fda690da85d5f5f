"""The bounds of settings are the same wherever they are said, because they are said once."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Api, serving
from tests.api.test_traders import an_address
from tests.conftest import Installation
from vigil_api.app import create_routes
from vigil_api.values import DAY_PATTERN, TIME_PATTERN, rfc3339, to_ms
from vigil_core.desk.parameters import BOUNDS, Bounds, with_multiplier


def schema_of(vigil: Installation, name: str, bounds: Bounds = BOUNDS) -> dict[str, Any]:
    app = create_routes(replace(vigil.settings, bounds=bounds))
    schema: dict[str, Any] = app.openapi()["components"]["schemas"][name]["properties"]
    return schema


def accepted(schema: dict[str, Any], value: Decimal) -> bool:
    """Whether a part of the published schema takes a number."""
    for option in schema.get("anyOf", [schema]):
        if option.get("type") == "string" and re.search(option["pattern"], f"{value:f}"):
            return True
        if option.get("type") in {"number", "integer"}:
            whole = option["type"] == "number" or value == int(value)
            least, most = (Decimal(str(option[end])) for end in ("minimum", "maximum"))
            if whole and least <= value <= most:
                return True
    return False


@pytest.mark.parametrize("column", BOUNDS)
def test_schema_database_and_rules_agree(installation: Installation, column: str) -> None:
    bound, schema = BOUNDS[column], schema_of(installation, "SettingsIn")[column]
    [check] = installation.records(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint"
        f" WHERE conname = 'traders_{column}_bounds'"
    )
    numbers = [Decimal(n) for n in re.findall(r"-?[0-9]+(?:\.[0-9]+)?", check["text"])]
    assert (numbers[0], numbers[-1]) == (bound.least, bound.most)
    for value in (bound.least, bound.most):
        assert bound.holds(value)
        assert accepted(schema, value)
        outside = value + (value - (bound.least + bound.most) / 2) / 1000
        assert not bound.holds(outside)
        assert not accepted(schema, outside)
    if bound.default is not None:
        assert Decimal(str(schema["default"])) == bound.default


@pytest.mark.parametrize("column", BOUNDS)
def test_the_ends_can_be_set_and_nothing_beyond(api: Api, column: str) -> None:
    bound, schema = BOUNDS[column], schema_of(api.vigil, "SettingsIn")[column]
    as_text = any(o.get("type") == "string" for o in schema.get("anyOf", [schema]))
    for value, status in ((bound.least, 201), (bound.most, 201), (bound.most + 10**9, 422)):
        sent = f"{value:f}" if as_text else float(value)
        address = an_address()
        body = {"user_address": address, "name": address, column: sent}
        answer = api("POST", "/api/traders", body, idempotency_key=address)
        assert answer.status == status, (column, value, answer)


def test_an_installation_may_widen_the_multiplier(installation: Installation) -> None:
    wide = with_multiplier(Decimal("0.1"), Decimal(3))
    schema = schema_of(installation, "MultiplierIn", wide)["position_multiplier"]
    assert (schema["minimum"], schema["maximum"]) == (0.1, 3.0)
    # The database has not been migrated to it: it is asked last, and refuses.
    with serving(installation, bounds=wide) as here:
        trader = here.add(an_address())
        where = f"/api/traders/{trader['trader_id']}/multiplier"
        tag = f'"{trader["trader_id"]}-1"'
        answer = here("PUT", where, {"position_multiplier": 2.5}, if_match=tag)
        assert (answer.status, answer.body["type"]) == (422, "/problems/out-of-bounds")
        assert here("PUT", where, {"position_multiplier": 3.5}, if_match=tag).status == 422


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2024-02-29", True), ("2026-02-29", False), ("2000-02-29", True), ("2026-04-31", False),
        ("2026-12-31", True), ("2026-13-01", False), ("1999-12-31", False), ("2026-1-1", False),
    ],
)  # fmt: skip
def test_patterns_of_time_know_the_calendar(text: str, is_one: bool) -> None:
    assert (re.search(DAY_PATTERN, text) is not None) == is_one
    moment = f"{text}T23:59:59.999Z"
    assert (re.search(TIME_PATTERN, moment) is not None) == is_one
    if is_one:
        assert rfc3339(to_ms(moment)) == moment
