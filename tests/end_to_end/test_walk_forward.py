"""A signal that was planted is found from raw files to verdict, and its absence too."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import installed
from vigil_cli.backfill import backfill
from vigil_sandbox.world import FLOW_NOISE, FLOW_SIGNAL, WorldSpec, write_world

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "walk_forward.ipynb"
SELECT = "key:raw_fills or key:fills_parquet or key:fills or key:candles"
SELECT += " or key:feature_snapshots or key:snapshot_labels or key:training_set"
MEASURES = {"mean_absolute_error", "rank_correlation", "sign_accuracy"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Executed:
    """The notebook after it ran, and the table it wrote."""

    notebook: nbformat.NotebookNode
    result: dict[str, Any]

    @property
    def printed(self) -> str:
        outputs = [out for cell in self.notebook.cells for out in cell.get("outputs", [])]
        return "\n".join(
            out.get("text", "") or out.get("data", {}).get("text/markdown", "") for out in outputs
        )


@pytest.fixture(scope="module")
def signal(tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch) -> Executed:
    return executed(FLOW_SIGNAL, tmp_path_factory.mktemp("signal"), module_patch)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch) -> Executed:
    return executed(FLOW_NOISE, tmp_path_factory.mktemp("noise"), module_patch)


def executed(spec: WorldSpec, folder: Path, patch: pytest.MonkeyPatch) -> Executed:
    """Raw files → training set → notebook; the notebook needs the lake alone."""
    write_world(spec, folder / "raw")
    patch.setenv("VIGIL_COINS", "BTC,ETH")
    with installed(folder, folder / "raw", patch) as vigil:
        last = spec.first_day + timedelta(days=spec.day_count - 1)
        backfill(vigil.settings, spec.first_day, last, select=SELECT)
    result = folder / "walk_forward.json"
    patch.setenv("WALK_FORWARD_RESULT", str(result))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": NOTEBOOK.parent}}
    )
    client.execute()
    return Executed(notebook, json.loads(result.read_text()))


def test_the_planted_signal_is_better_than_chance(signal: Executed) -> None:
    scores = signal.result["overall"]["scores"]

    assert set(scores) == MEASURES
    for comparison in scores.values():
        assert comparison["is_better_than_chance"] is True
        assert comparison["over_constant"]["low"] > 0
        assert comparison["over_shifted"]["low"] > 0
    assert scores["rank_correlation"]["model"]["low"] > 0.3
    assert scores["sign_accuracy"]["model"]["low"] > 0.6


def test_noise_is_not(noise: Executed) -> None:
    scores = noise.result["overall"]["scores"]

    assert set(scores) == MEASURES
    for comparison in scores.values():
        assert comparison["is_better_than_chance"] is False
    correlation = scores["rank_correlation"]["model"]
    assert correlation["low"] < 0 < correlation["high"]


def test_both_are_judged_on_as_many_rows_and_on_the_same_outcomes(
    signal: Executed, noise: Executed
) -> None:
    for name in ("test_rows", "effective_test_rows"):
        assert signal.result["overall"][name] == noise.result["overall"][name]
    assert len(signal.result["folds"]) == 5
    assert signal.result["overall"]["test_rows"] == 5 * 2 * 288
    assert 450 < signal.result["overall"]["effective_test_rows"] < 500
    for fold in signal.result["folds"]:
        assert fold["purged_rows"] == 2 * 47
        assert fold["shift_days"] >= 1


def test_the_notebook_says_that_the_data_are_simulated(signal: Executed) -> None:
    assert signal.result["simulated"] is True
    assert "SIMULATED" in signal.printed
    assert "better than chance" in signal.printed


def test_the_notebook_draws_and_is_stored_without_outputs(signal: Executed) -> None:
    drawn = [
        output["data"]
        for cell in signal.notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert any("image/png" in data for data in drawn)

    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    for cell in stored.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
