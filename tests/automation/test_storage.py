"""Dagster's storage with planned events in one statement: the same rows as Dagster's own."""

from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster_postgres.event_log import PostgresEventLogStorage

from tests.conftest import Installation
from vigil_assets.storage import EventLog
from vigil_cli.ready import dagster_ready
from vigil_resources.wiring import dagster_storage_url

DAYS = dg.DailyPartitionsDefinition("2025-09-01")
SINGLE = dg.BackfillPolicy.single_run()


@dg.asset(partitions_def=DAYS, backfill_policy=SINGLE)
def first() -> None:
    """Built."""


@dg.asset(deps=[first], partitions_def=DAYS, backfill_policy=SINGLE)
def second() -> None:
    """Built of it."""


@dg.asset_check(asset=second)
def is_well() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def run(instance: dg.DagsterInstance) -> str:
    """Build four days of both; gives the run."""
    done = dg.materialize(
        [first, second, is_well],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": "2025-09-01",
            "dagster/asset_partition_range_end": "2025-09-04",
        },
    )
    assert done.success
    return done.run_id


def planned(url: str, run_id: str) -> list[tuple[Any, ...]]:
    """The planned events of a run, and whether their assets name it as their last one."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT e.dagster_event_type, e.asset_key, e.partition, e.step_key,"
            " k.last_run_id = %(run)s, e.timestamp <= k.last_materialization_timestamp"
            " FROM event_logs AS e LEFT JOIN asset_keys AS k USING (asset_key)"
            " WHERE e.run_id = %(run)s AND e.dagster_event_type LIKE '%%PLANNED'"
            " ORDER BY e.asset_key, e.id",
            {"run": run_id},
        ).fetchall()


def test_what_is_planned_is_stored_at_once_and_as_dagster_does(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[Any] = []
    store_event = EventLog.store_event

    def counted(self: EventLog, event: dg.EventLogEntry) -> None:
        alone.append(event.dagster_event_type)
        store_event(self, event)

    monkeypatch.setattr(EventLog, "store_event", counted)
    with dagster_ready(vigil.settings) as instance:
        ours = run(instance)
        assert dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED in alone
        assert dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED not in alone
        url = dagster_storage_url(vigil.settings).replace("+psycopg2", "")
        found = planned(url, ours)

        dagsters = PostgresEventLogStorage.store_event_batch
        monkeypatch.setattr(EventLog, "store_event_batch", dagsters)
        expected = planned(url, run(instance))

    assert alone.count(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED) == 8
    assert len(found) == 9
    assert found == expected
