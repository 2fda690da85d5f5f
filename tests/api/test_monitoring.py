"""The example rules and the dashboard, against what is really exported."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import serving
from tests.conftest import Installation
from vigil_resources.settings import PROJECT_ROOT

MONITORING = PROJECT_ROOT / "deploy" / "monitoring"
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
NAME = re.compile(r"\b(?:vigil|process)_[a-z_]+\b(?!=)")


def expressions() -> Iterator[str]:
    for group in yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


@pytest.fixture(scope="module")
def exported(installation: Installation) -> dict[str, str]:
    """Type of every name that may be asked for; an empty Vigil exports them all."""
    with serving(installation) as here:
        here("GET", "/healthz")
        text = here("GET", "/metrics").content.decode()
    return {
        family.name + suffix: family.type
        for family in text_string_to_metric_families(text)
        for suffix in SUFFIXES[family.type]
    }


def test_every_metric_that_is_asked_for_is_exported(exported: dict[str, str]) -> None:
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(asked) > 20
    assert asked - exported.keys() == set()


def test_only_what_grows_is_asked_for_its_growth(exported: dict[str, str]) -> None:
    grown, moved = set(), set()
    for expression in expressions():
        grown |= set(re.findall(r"\b(?:rate|increase)\(([a-z_]+)", expression))
        moved |= set(re.findall(r"\bdelta\(([a-z_]+)", expression))
    assert {exported[name] for name in grown} == {"counter", "histogram"}
    assert {exported[name] for name in moved} == {"gauge"}


def test_an_alert_says_what_it_is_about() -> None:
    [group] = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
