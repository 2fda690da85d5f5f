"""What a home of Dagster without room leaves behind."""

import os
from pathlib import Path

import pytest

from tests.conftest import Installation
from vigil_cli.ready import dagster_ready
from vigil_core.errors import NotWritten
from vigil_resources.settings import PROJECT_ROOT


def test_a_home_without_room_is_told_and_holds_no_half_of_a_configuration(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = (PROJECT_ROOT / "dagster_home" / "dagster.yaml").read_text()
    written = Path.write_text

    def full(path: Path, text: str) -> int:
        written(path, text[:10])
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_text", full)
    with (
        pytest.raises(NotWritten, match=r"dagster\.yaml.*No space left"),
        dagster_ready(vigil.settings),
    ):
        pass
    home = vigil.settings.dagster_home
    assert list(home.iterdir()) == []

    monkeypatch.setattr(Path, "write_text", written)
    with dagster_ready(vigil.settings):
        assert (home / "dagster.yaml").read_text() == wanted
