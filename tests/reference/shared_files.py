"""Finds the recorded files beside the repository, for the oracle's own tests."""

from pathlib import Path

import pytest


def shared_folder() -> Path:
    """The `shared` folder beside the repository; skips the test where there is none."""
    folder = Path(__file__).resolve().parents[2].parent / "shared"
    if not folder.is_dir():
        pytest.skip("no shared folder beside the repository")
    return folder


def shared_file(name: str) -> Path:
    """One file of the shared folder; skips the test where it is absent."""
    path = shared_folder() / name
    if not path.is_file():
        pytest.skip(f"shared file {name} is absent")
    return path
