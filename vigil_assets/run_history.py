"""Dagster's runs, told to the warehouse as they go."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterEventType

from vigil_resources.health.pipeline_runs import Materialized, PipelineRun, PipelineRuns

SENSOR_SECONDS = 30
MOST_RUNS = 500
"""A tick takes; more are left for the next."""
_OVERLAP = timedelta(seconds=10)
"""Read again: what was written before the last tick may have been committed after it."""
_ENDED = {
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
}
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dg.sensor(
    minimum_interval_seconds=SENSOR_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def run_history(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[PipelineRuns]
) -> dg.SkipReason:
    """Keeps `pipeline_runs` and `pipeline_assets` up to date; it starts nothing.

    The cursor is the moment of the last change seen. A tick that fails is repeated by the next.
    """
    since = datetime.fromisoformat(context.cursor) if context.cursor else None
    records = context.instance.get_run_records(
        filters=dg.RunsFilter(updated_after=since),
        limit=MOST_RUNS,
        order_by="update_timestamp",
        ascending=True,
    )
    runs = [run_of(context.instance, record) for record in records]
    pipeline.record(runs, last_materializations(context.instance))
    if records:
        seen = _utc(records[-1].update_timestamp)
        # A full batch goes on from its end, so that many changes of one moment do not hold it up.
        context.update_cursor((seen if len(records) == MOST_RUNS else seen - _OVERLAP).isoformat())
    return dg.SkipReason(f"{len(runs)} runs seen")


def run_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> PipelineRun:
    """What Dagster knows of a run, in the warehouse's words."""
    run = record.dagster_run
    single = run.tags.get("dagster/partition")
    first, last = (run.tags.get(tag, single) for tag in _RANGE)
    steps, error = (
        _failures(instance, run) if run.status is dg.DagsterRunStatus.FAILURE else ([], None)
    )
    updated = _utc(record.update_timestamp)
    ended = None
    if run.status in _ENDED:
        # One that never started has no end of its own.
        ended = round((record.end_time or updated.timestamp()) * 1000)
    return PipelineRun(
        run_id=run.run_id,
        job="backfill" if run.job_name.startswith("__") else run.job_name,
        status=run.status.value,
        assets=sorted(key.to_user_string() for key in run.asset_selection or ()),
        first_partition=first,
        last_partition=last,
        backfill_id=run.tags.get("dagster/backfill"),
        retry_of=run.parent_run_id,
        created_at=_ms(_utc(record.create_timestamp)),
        started_at=None if record.start_time is None else round(record.start_time * 1000),
        ended_at=ended,
        failed_steps=steps,
        error=error,
        updated_at=_ms(updated),
    )


def last_materializations(instance: dg.DagsterInstance) -> list[Materialized]:
    """Of every asset that ever was."""
    found = []
    for record in instance.get_asset_records():
        event = record.asset_entry.last_materialization
        if event is None or event.dagster_event is None:
            continue
        found.append(
            Materialized(
                asset=record.asset_entry.asset_key.to_user_string(),
                materialized_at=round(event.timestamp * 1000),
                partition=event.dagster_event.partition,
                run_id=event.run_id,
            )
        )
    return found


def _failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[list[str], str | None]:
    """Names of the failed steps, and the kind of the first error."""
    steps, kinds = [], []
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        steps.append(event.step_key)
        error = event.step_failure_data.error
        # Dagster wraps what an asset raised.
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None and error.cls_name:
            kinds.append(error.cls_name)
    return sorted(set(steps)), next(iter(kinds), None)


def _utc(moment: datetime) -> datetime:
    """Dagster's storage leaves the zone out."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
