"""Our answers against our own description, over requests that schemathesis makes up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.api_description import TOKEN, generated
from tests.api.conftest import Api, serving
from tests.conftest import Installation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def api(loaded: Installation) -> Iterator[Api]:
    with serving(loaded, api_token=TOKEN) as here:
        yield here


def attack(api: Api, folder: Path, *words: str) -> int:
    count, is_well, said = generated(api.url, folder, *words)
    assert is_well, said[-8000:]
    return count


def test_answers_are_as_described(api: Api, tmp_path: Path) -> None:
    assert attack(api, tmp_path, "--phases", "fuzzing", "-n", "5", "--seed", "1") > 150


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_answers_are_as_described(api: Api, tmp_path: Path) -> None:
    """The campaign asks ten thousand."""
    single = attack(api, tmp_path, "--phases", "coverage,fuzzing", "-n", "30", "--seed", "2")
    followed = attack(api, tmp_path, "--phases", "stateful", "-n", "3", "--seed", "3")
    assert single + followed >= 2_000
