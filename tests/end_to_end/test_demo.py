"""The demo as a newcomer sees it, in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CLEARED, Installation
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import embedded_postgres


def _demo(folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
    places = {"VIGIL_DATA_DIR": str(folder / "data"), "DAGSTER_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, "-m", "vigil_cli", "demo", "--once"],
        env=kept | places,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_planted_behaviour_is_found_and_a_second_demo_changes_nothing(tmp_path: Path) -> None:
    first = _demo(tmp_path)
    settings = Settings.from_environment({"VIGIL_DATA_DIR": str(tmp_path / "data")})
    with embedded_postgres(settings).session():
        before = Installation(settings).digests()
    second = _demo(tmp_path)
    with embedded_postgres(settings).session():
        after = Installation(settings).digests()

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    verdicts = re.findall(r"│ *(yes|NO) *│", first.stdout)
    assert len(verdicts) >= 7
    assert set(verdicts) == {"yes"}
    assert "SIMULATED" in first.stdout
    assert "nothing was missing or stale" in second.stderr
    assert after == before
