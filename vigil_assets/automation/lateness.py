"""Who is told that assets are late: the webhook and the mailbox of the alerts."""

from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from vigil_assets.automation.status import SENSORS
from vigil_resources.health.run_failures import RunFailures


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=SENSORS,
    description="Puts a message about assets that became late into the outbox, one for all.",
)
def late_assets(
    context: dg.SensorEvaluationContext, failures: dg.ResourceParam[RunFailures]
) -> dg.SensorResult:
    """The cursor is the latest moment at which an asset of those told became late.

    What comes late makes all late that is built of it, within one look of Dagster's: one message
    a tick, not one an asset. An asset that was fresh in between is told again.
    """
    told = datetime.fromisoformat(context.cursor or "1970-01-01T00:00:00+00:00")
    states = context.instance.get_freshness_state_records(list(context.instance.get_asset_keys()))
    late = {
        key.to_user_string(): state.updated_at.astimezone(UTC)
        for key, state in states.items()
        if state.freshness_state is FreshnessState.FAIL and state.updated_at > told
    }
    if not late:
        return dg.SensorResult(cursor=told.isoformat())
    latest = max(late.values())
    failures.tell_late(sorted(late), latest)
    return dg.SensorResult(cursor=latest.isoformat())
