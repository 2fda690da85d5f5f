"""Text from outside never becomes SQL: it is a value, or it is refused."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Api, serving
from tests.conftest import Installation
from vigil_api.app import create_routes

HOSTILE = [
    f"{head}{body}{tail}"
    for head in ("", "'", '"', "0", "x'", "\\", "%27", ")")
    for body in (
        "; DROP TABLE traders", " OR 1=1", " UNION SELECT secret_sha256 FROM api_keys",
        "||pg_sleep(9)", "%(limit)s", "{key}", "$1", "::int", "/**/", "\0", "\ud7ff\uffff", "%",
    )
    for tail in ("", "--", "'--", ";")
]  # fmt: skip


@pytest.fixture(scope="module")
def here(installation: Installation) -> Iterator[Api]:
    with serving(installation) as api:
        yield api


def text_parameters(vigil: Installation) -> list[tuple[str, str]]:
    """Path and name of each parameter of a GET that takes a text."""
    paths = create_routes(vigil.settings).openapi()["paths"]
    named = {"{id}": "1", "{address}": "0x" + "ab" * 20, "{day}": "2025-09-01", "{kind}": "invalid"}
    return [
        (re.sub(r"\{\w+\}", lambda found: named[found[0]], path), parameter["name"])
        for path, methods in paths.items()
        for parameter in methods.get("get", {}).get("parameters", [])
        if parameter["in"] == "query" and parameter["schema"].get("type") == "string"
    ]


@pytest.mark.parametrize("path", ["/liquidations", "/smart-money", "/manage/add", "/v1/traders"])
def test_a_nul_in_the_address_is_refused(here: Api, path: str) -> None:
    assert here.get(path, coin="a\0b", address="\0", q="\0").status == 400
    assert here.get(f"{path}/%00").status == 400


@pytest.mark.slow
def test_hostile_text_is_a_value_or_refused(here: Api) -> None:
    parameters = text_parameters(here.vigil)
    assert len(parameters) > 20
    assert len(HOSTILE) > 380
    tables = here.vigil.records("SELECT count(*) AS n FROM pg_class WHERE relkind IN ('r', 'p')")
    for n, text in enumerate(HOSTILE):
        for path, name in parameters[n % 7 :: 7]:
            answer = here.get(path, **{name: text})
            assert answer.status < 500, (path, name, text, answer)
            if name in {"sort", "cursor", "state"}:
                assert answer.status in {400, 404, 422}, (path, name, text)
    assert (
        here.vigil.records("SELECT count(*) AS n FROM pg_class WHERE relkind IN ('r', 'p')")
        == tables
    )


@pytest.mark.parametrize(
    "key",
    [
        [], [1], ["x", "y"], [1.5, 1], [True, 1], [2**63, 1], [1, -(2**63) - 1], [None, 1],
        [{"a": 1}, 1], [[1], 1], ["1; DROP TABLE traders", 1], [1, 1, 1], ["\0", 1], ["\ud800", 1],
    ],
)  # fmt: skip
def test_a_cursor_that_somebody_made_up_is_refused(here: Api, key: list[Any]) -> None:
    for of_list in ("traders by priority", "traders by name", "coins of None", "x", None):
        text = json.dumps([of_list, *key]).encode()
        cursor = base64.urlsafe_b64encode(text).decode().rstrip("=")
        for path in ("/api/traders", "/api/coins"):
            answer = here.get(path, cursor=cursor)
            assert answer.status == 400, (path, of_list, key)
