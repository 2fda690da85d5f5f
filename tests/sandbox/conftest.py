"""One tiny world for all tests of the sandbox; each of them only reads it."""

from pathlib import Path

import pytest

from vigil_sandbox.world import TINY, World, write_world

from .oracle import WorldFiles


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(TINY, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def files(tiny: World) -> WorldFiles:
    return WorldFiles(tiny.root)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "world"
