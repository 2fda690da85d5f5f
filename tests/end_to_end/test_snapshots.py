"""Feature snapshots and labels of a small world, from its files to the tables."""

import json
from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_core.calendar import HOUR_MS, day_start_ms
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_snapshots
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
INPUTS = "key:raw_fills or key:fills_parquet or key:candles"
BOTH = "key:feature_snapshots or key:snapshot_labels"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("world")
    write_world(TINY, folder / "raw")
    module_patch.setenv("VIGIL_COINS", "BTC,ETH")
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, FIRST, select=f"{INPUTS} or {BOTH}")
        yield vigil


def test_every_coin_has_288_snapshots_and_as_many_labels(world: Installation) -> None:
    for relation in ("feature_snapshots", "snapshot_labels"):
        rows = world.records(f"SELECT coin, count(*) AS rows FROM {relation} GROUP BY 1 ORDER BY 1")
        assert rows == [{"coin": "BTC", "rows": 288}, {"coin": "ETH", "rows": 288}]


def test_a_day_without_snapshots_has_no_labels(world: Installation) -> None:
    """Dagster's page asks for it: it is downstream of the first day's candles."""
    before = FIRST - timedelta(days=1)
    assert open_snapshots(world.settings).build_labels(before).height == 0
    assert world.records(f"SELECT * FROM snapshot_labels WHERE day = {day_start_ms(before)}") == []
    assert world.records(f"SELECT * FROM artemis_state WHERE day = {day_start_ms(before)}") == []


def test_what_is_known_is_flagged_and_what_is_not_has_a_reason(world: Installation) -> None:
    rows = world.records("SELECT * FROM feature_snapshots")
    assert sum(row["cvd_avail"] for row in rows) > 30
    assert sum(row["realized_vol_avail"] for row in rows) > 300
    for row in rows:
        assert (row["cvd_normalized_5m"] is not None) == bool(row["cvd_avail"])
        assert ("cvd_normalized_5m" in row["reasons"]) == (not row["cvd_avail"])
        assert row["input_max_time"] is None or row["input_max_time"] < row["snapshot_at"]


def test_labels_wait_for_the_next_day_and_stay_when_it_comes(world: Installation) -> None:
    counted = "SELECT label_status, count(*) AS rows FROM snapshot_labels WHERE day = {} GROUP BY 1"
    first = world.records("SELECT min(day) AS day FROM snapshot_labels")[0]["day"]
    before = {r["label_status"]: r["rows"] for r in world.records(counted.format(first))}
    complete = "SELECT * FROM snapshot_labels WHERE label_status = 'complete' AND day = {}"
    known = world.records(f"{complete.format(first)} ORDER BY coin, snapshot_at")
    assert before["pending"] > 0
    assert known

    backfill(world.settings, FIRST, LAST, select=f"{INPUTS} or {BOTH}")

    after = {r["label_status"]: r["rows"] for r in world.records(counted.format(first))}
    assert "pending" not in after
    assert after["complete"] > before["complete"]
    now = world.records(f"{complete.format(first)} ORDER BY coin, snapshot_at")
    assert [row for row in now if row in known] == known
    assert backfill(world.settings, FIRST, LAST, select=f"{INPUTS} or {BOTH}") == 0


def test_a_coin_that_nobody_trades_is_quiet_and_not_unknown(
    world: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.records("SELECT * FROM volume_history WHERE coin = 'NOSUCH'") == []
    monkeypatch.setenv("VIGIL_COINS", "NOSUCH")
    snapshots = open_snapshots(Settings.from_environment())
    rows = snapshots.build_features(LAST).filter(
        pl.col("snapshot_at") >= day_start_ms(LAST) + HOUR_MS
    )
    reasons = {json.loads(text)["cvd_normalized_5m"] for text in rows["reasons"]}
    assert reasons == {"zero_denominator"}
