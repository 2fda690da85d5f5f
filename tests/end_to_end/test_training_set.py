"""The training set of a small world: from the tables to Parquet and manifest."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_core.artemis.parameters import DEFAULT, FEATURES, FLAGS
from vigil_core.errors import LakeIncomplete
from vigil_resources.artemis.training_set import ROWS
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_training_set
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
SELECT = "key:raw_fills or key:fills_parquet or key:candles or key:feature_snapshots"
SELECT += " or key:snapshot_labels or key:training_set or key:fills"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("world")
    write_world(TINY, folder / "raw")
    module_patch.setenv("VIGIL_COINS", "BTC,ETH")
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select=SELECT)
        yield vigil


def folder(settings: Settings) -> Path:
    return Path(settings.lake) / "training_set"


def test_every_complete_label_is_a_row_and_every_other_is_counted(world: Installation) -> None:
    training = open_training_set(world.settings)
    rows, manifest = training.rows(), training.manifest()

    labels = world.records(
        "SELECT coin, label_status, count(*) AS rows FROM snapshot_labels GROUP BY 1, 2"
    )
    complete = {row["coin"]: row["rows"] for row in labels if row["label_status"] == "complete"}
    others = sum(row["rows"] for row in labels if row["label_status"] != "complete")
    assert dict(rows["coin"].value_counts().iter_rows()) == complete
    counted = manifest["not_exported"].values()
    assert sum(number for statuses in counted for number in statuses.values()) == others > 0


def test_features_and_labels_are_the_tables_own(world: Installation) -> None:
    rows = open_training_set(world.settings).rows()
    assert dict(rows.schema) == ROWS
    kept = world.records(
        "SELECT * FROM feature_snapshots JOIN snapshot_labels USING (coin, snapshot_at)"
    )
    by_key = {(row["coin"], row["snapshot_at"]): row for row in kept}
    for row in rows.iter_rows(named=True):
        stored = by_key[row["coin"], row["snapshot_at"]]
        assert json.loads(row["reasons"]) == stored["reasons"]
        for name in [*FEATURES, *FLAGS, "price", "best_long_roe_4h_gross", "ret_next_30m"]:
            assert row[name] == stored[name], name


def test_no_label_is_named_as_a_feature_and_targets_are_clipped(world: Installation) -> None:
    training = open_training_set(world.settings)
    manifest, rows = training.manifest(), training.rows()
    assert manifest["features"] == list(FEATURES)
    limit = DEFAULT.training.target_clip
    for side in ("long", "short"):
        net, target = rows[f"best_{side}_roe_30m_net"], rows[f"target_{side}_30m"]
        assert target.equals(net.clip(-limit, limit), check_names=False)


def test_weights_are_those_of_the_coin_s_own_series(world: Installation) -> None:
    manifest = open_training_set(world.settings).manifest()
    rows = open_training_set(world.settings).rows()
    inside = rows.filter(pl.col("coin") == "BTC").slice(100, 200)
    assert inside["uniqueness_30m"].to_list() == pytest.approx([1 / 6] * 200)
    assert inside["uniqueness_4h"].to_list() == pytest.approx([1 / 48] * 200)
    effective = manifest["effective_rows"]["BTC"]["30m"]
    assert effective == pytest.approx(rows.filter(pl.col("coin") == "BTC").height / 6, rel=0.01)


def test_manifest_proves_the_files_and_names_their_sources(world: Installation) -> None:
    manifest = open_training_set(world.settings).manifest()
    for entry in manifest["files"]:
        content = (folder(world.settings) / entry["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert len(content) == entry["bytes"]
    [loaded] = world.records("SELECT count(*) AS objects FROM load_progress")
    assert len(manifest["sources"]["fills"]) == loaded["objects"] > 40
    assert {one["source"] for one in manifest["sources"]["fills"]} == {
        "sandbox/node_fills_by_block"
    }
    shares = manifest["null_share"]["funding_vs_30d_zscore"]
    assert sum(shares.values()) == pytest.approx(1)
    assert manifest["feature_version"] == DEFAULT.feature_version


def test_a_second_run_does_nothing_and_a_forced_one_changes_no_byte(world: Installation) -> None:
    before = {path: path.read_bytes() for path in folder(world.settings).rglob("*.*")}
    assert backfill(world.settings, FIRST, LAST, select=SELECT) == 0
    (folder(world.settings) / "manifest.json").unlink()
    backfill(world.settings, FIRST, LAST, select="key:training_set")
    assert {path: path.read_bytes() for path in folder(world.settings).rglob("*.*")} == before


def test_a_file_that_is_another_is_refused(world: Installation) -> None:
    training = open_training_set(world.settings)
    path = folder(world.settings) / training.manifest()["files"][0]["path"]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(LakeIncomplete, match="training_set"):
        training.rows()
    path.write_bytes(content)
