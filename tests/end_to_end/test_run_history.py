"""Dagster's runs, as the warehouse keeps them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
import pytest

from tests.conftest import Installation
from vigil_assets import run_history as module
from vigil_assets.run_history import run_history
from vigil_resources.health.pipeline_runs import PipelineRuns

pytestmark = pytest.mark.slow

DAYS = dg.DailyPartitionsDefinition("2025-09-01")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.multi_run(10))
def good(context: dg.AssetExecutionContext) -> None:
    context.log.info("%d days", len(context.partition_keys))


@dg.asset
def bad() -> None:
    raise ZeroDivisionError("postgresql://vigil:planted-secret@host/vigil")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def tick(vigil: Installation, instance: dg.DagsterInstance, cursor: str | None) -> str | None:
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources={"pipeline": PipelineRuns(vigil.warehouse)},
    )
    run_history(context)
    return context.cursor


def kept(vigil: Installation) -> list[dict[str, Any]]:
    return vigil.records("SELECT * FROM pipeline_runs ORDER BY created_at, run_id")


def test_runs_and_their_ends_are_kept(vigil: Installation, instance: dg.DagsterInstance) -> None:
    span = {
        "dagster/asset_partition_range_start": "2025-09-01",
        "dagster/asset_partition_range_end": "2025-09-03",
        "dagster/backfill": "abc",
    }
    dg.materialize([good], instance=instance, tags=span)
    dg.materialize([bad], instance=instance, raise_on_error=False)
    cursor = tick(vigil, instance, None)
    first, second = kept(vigil)
    assert (first["job"], first["status"]) == ("backfill", "SUCCESS")
    assert (first["first_partition"], first["last_partition"]) == ("2025-09-01", "2025-09-03")
    assert first["backfill_id"] == "abc"
    assert first["created_at"] <= first["started_at"] <= first["ended_at"] <= first["updated_at"]
    assert (second["status"], second["failed_steps"]) == ("FAILURE", ["bad"])
    assert second["error"] == "ZeroDivisionError"
    assert "planted-secret" not in str(kept(vigil))
    [asset] = vigil.records("SELECT * FROM pipeline_assets")
    assert (asset["asset"], asset["run_id"]) == ("good", first["run_id"])
    assert asset["partition"] in {"2025-09-01", "2025-09-02", "2025-09-03"}
    # Again, from the cursor and from the start: nothing is counted twice.
    before = kept(vigil)
    tick(vigil, instance, cursor)
    tick(vigil, instance, None)
    assert kept(vigil) == before


def test_a_run_under_way_is_seen_to_end(vigil: Installation, instance: dg.DagsterInstance) -> None:
    job = dg.define_asset_job("one_day", selection=[good])
    defs = dg.Definitions(assets=[good], jobs=[job])
    run = instance.create_run_for_job(
        defs.resolve_job_def("one_day"), tags={"dagster/partition": "2025-09-02"}
    )
    cursor = tick(vigil, instance, None)
    [seen] = kept(vigil)
    assert (seen["job"], seen["status"], seen["ended_at"]) == ("one_day", "NOT_STARTED", None)
    assert (seen["first_partition"], seen["last_partition"]) == ("2025-09-02", "2025-09-02")
    instance.report_run_canceled(run)
    tick(vigil, instance, cursor)
    [seen] = kept(vigil)
    assert seen["status"] == "CANCELED"
    assert seen["ended_at"] >= seen["created_at"]


def test_many_runs_are_taken_a_batch_at_a_time(
    vigil: Installation, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", 2)
    for day in ("2025-09-01", "2025-09-02", "2025-09-03"):
        dg.materialize([good], instance=instance, partition_key=day)
    cursor = tick(vigil, instance, None)
    assert len(kept(vigil)) == 2
    cursor = tick(vigil, instance, cursor)
    assert len(kept(vigil)) == 3
    assert cursor is not None
    assert datetime.fromisoformat(cursor).utcoffset() is not None
