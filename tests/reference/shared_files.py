"""Finds the recorded files beside the repository, for the oracle's own tests."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2].parent / "shared"


def shared_folder() -> Path:
    """The `shared` folder beside the repository; skips the test where there is none."""
    if not FOLDER.is_dir():
        pytest.skip("no shared folder beside the repository")
    return FOLDER


def shared_file(name: str) -> Path:
    """One file of the shared folder; skips the test where it is absent."""
    path = shared_folder() / name
    if not path.is_file():
        pytest.skip(f"shared file {name} is absent")
    return path


def metric_vectors(suite: str) -> list[Any]:
    """The cases of one file of worked metrics, as parameters; none, so skipped, without it."""
    path = FOLDER / "data/vectors/metrics" / f"{suite}.json"
    cases = json.loads(path.read_text())["cases"] if path.is_file() else []
    return [pytest.param(case, id=case["id"]) for case in cases]
