"""Who is told that a run failed: the webhook and the mailbox of the alerts."""

from collections.abc import Iterator, Mapping

import dagster as dg

from vigil_resources.health.run_failures import RunFailure, RunFailures

MOST_RUNS = 50
"""Told at a tick."""


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts a message about each failed run into the outbox.",
)
def run_failures(
    context: dg.SensorEvaluationContext, failures: dg.ResourceParam[RunFailures]
) -> dg.SensorResult:
    """The cursor is the last failure told.

    Dagster's own sensor for this moves on when telling fails, for want of a database for one: such
    a run nobody would ever hear of. Told twice it is sent once: the outbox knows the run.
    """
    instance = context.instance
    if context.cursor is None:
        newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
        return dg.SensorResult(cursor=str(newest[0].storage_id if newest else 0))
    told = int(context.cursor)
    changes = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(
            event_type=dg.DagsterEventType.RUN_FAILURE, after_storage_id=told
        ),
        ascending=True,
        limit=MOST_RUNS,
    ).records
    for change in changes:
        run = instance.get_run_by_id(change.event_log_entry.run_id)
        if run is not None:
            failures.tell(failure_of(instance, run, change.event_log_entry))
        told = change.storage_id
    return dg.SensorResult(cursor=str(told))


def failure_of(
    instance: dg.DagsterInstance, run: dg.DagsterRun, ended: dg.EventLogEntry
) -> RunFailure:
    """What is known of a failed run: the assets, the days, and the first error."""
    steps = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
    ).records
    events = [one.event_log_entry for one in steps]
    assets = [entry.step_key or "" for entry in events] or sorted(
        key.to_user_string() for key in run.asset_selection or ()
    )
    causes = [cause for entry in [*events, ended] if (cause := _cause(entry))]
    return RunFailure(
        run_id=run.run_id,
        job=run.job_name,
        assets=assets,
        days=_days(run.tags),
        cause=causes[0] if causes else ended.user_message.strip().partition("\n")[0],
    )


def _cause(entry: dg.EventLogEntry) -> str | None:
    """The first line of the innermost error."""
    data = entry.dagster_event.event_specific_data if entry.dagster_event else None
    error = getattr(data, "error", None)
    for one in _chain(error):
        error = one
    return error.message.strip().partition("\n")[0] if error is not None else None


def _chain(error: object) -> Iterator[object]:
    while (error := getattr(error, "cause", None)) is not None:
        yield error


def _days(tags: Mapping[str, str]) -> str:
    first = tags.get("dagster/asset_partition_range_start")
    last = tags.get("dagster/asset_partition_range_end")
    if first is None or last is None:
        return tags.get("dagster/partition", "")
    return first if first == last else f"{first} … {last}"
