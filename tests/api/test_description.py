"""Our answers against our own description, over requests that schemathesis makes up."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Api, serving
from tests.conftest import Installation
from vigil_resources.settings import PROJECT_ROOT

TOKEN = "a-token-of-the-test"


@pytest.fixture(scope="module")
def api(loaded: Installation) -> Iterator[Api]:
    with serving(loaded, api_token=TOKEN) as here:
        yield here


def attack(api: Api, folder: Path, *words: str) -> int:
    """Send what schemathesis makes up, all its checks on; gives the number of requests."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        *(str(program), "--config-file", str(PROJECT_ROOT / "schemathesis.toml")),
        *("run", f"{api.url}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}"),
        *("--checks", "all", "--continue-on-failure", "--no-color", "--workers", "2"),
        *("--suppress-health-check", "all", "--warnings", "off", *words),
    ]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    count = re.search(r"(\d+) generated", ended.stdout)
    assert count is not None, ended.stdout + ended.stderr
    print(re.findall("(?m)^ *(?:Seed: .*|.* generated.*)$", ended.stdout))
    assert ended.returncode == 0, ended.stdout[-8000:]
    return int(count[1])


def test_answers_are_as_described(api: Api, tmp_path: Path) -> None:
    assert attack(api, tmp_path, "--phases", "fuzzing", "-n", "5", "--seed", "1") > 150


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_answers_are_as_described(api: Api, tmp_path: Path) -> None:
    single = attack(api, tmp_path, "--phases", "coverage,fuzzing", "-n", "240", "--seed", "2")
    followed = attack(api, tmp_path, "--phases", "stateful", "-n", "20", "--seed", "3")
    assert single + followed >= 10_000
