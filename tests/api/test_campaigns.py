"""The campaigns against the API, smaller than `./vigil chaos api-*` runs them."""

import shutil
from collections.abc import Iterator

import pytest

from chaos.campaigns import Shared, chosen, run
from chaos.installation import Installation as Attacked
from chaos.installation import small_world
from tests.conftest import Installation

CAMPAIGN = [pytest.mark.campaign, pytest.mark.timeout(900)]
NEEDS_CHROMIUM = pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium")


@pytest.fixture(scope="module")
def shared(loaded: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with Shared(tmp_path_factory.mktemp("chaos")) as made:
        made.put(small_world, Attacked(loaded.settings.data_dir.parent))
        yield made


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("api-edits", 0.05),
        ("api-repeats", 0.03),
        pytest.param("api-contradictions", 0.1, marks=CAMPAIGN),
        pytest.param("api-access", 1, marks=CAMPAIGN),
        pytest.param("api-wire", 0.2, marks=CAMPAIGN),
        pytest.param("api-floods", 0.1, marks=CAMPAIGN),
        pytest.param("api-secrets", 0.5, marks=CAMPAIGN),
        pytest.param("api-browser", 1, marks=[*CAMPAIGN, NEEDS_CHROMIUM]),
        # Last: it starts the database anew.
        pytest.param("api-injection", 0.06, marks=CAMPAIGN),
    ],
)
def test_the_bar_is_met(shared: Shared, name: str, scale: float) -> None:
    (campaign,) = chosen([name])
    found = run(campaign, shared, seed=1, scale=scale).outcome
    assert found.passed, (found.figure, *found.misses)


def test_all_promises_about_the_api_are_attacked() -> None:
    assert {campaign.number for campaign in chosen(["api-*"])} == {*range(16, 24), 25, 26}
