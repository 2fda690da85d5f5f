"""What following the followed traders would have made: three tables from a day of accounts."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.artemis.together import build_days, daily_relations
from vigil_assets.automation.retries import patient
from vigil_resources.desk.alerts import Alerts
from vigil_resources.desk.deliveries import Deliveries
from vigil_resources.desk.paper import RELATIONS, PaperTrading

DESCRIPTIONS = {
    "paper_trades": "Signals of the followed traders, what the filter said, and the copies.",
    "trader_performance": "One row per followed trader and day: his paper account.",
    "trader_risk": "One row per followed trader and day: risk of the account and of the leader.",
}
assert tuple(DESCRIPTIONS) == RELATIONS

DEPS = ("fills", "round_trips", "trader_metrics", "oi_history", "funding_history")

SENSOR_SECONDS = 30


@daily_relations(DESCRIPTIONS, deps=DEPS, group_name="desk")
@patient
def paper_trading(
    context: dg.AssetExecutionContext, paper: dg.ResourceParam[PaperTrading]
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild each day of the run, earlier ones first: an account goes on from the day before.

    Alerts are decided with each day, so that a pause holds from its end on.
    """
    yield from build_days(context, RELATIONS, paper.build)


@dg.sensor(
    minimum_interval_seconds=SENSOR_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Decides about alerts when limits were changed, and sends what waits.",
)
def desk_alerts(
    alerts: dg.ResourceParam[Alerts], outbox: dg.ResourceParam[Deliveries]
) -> dg.SkipReason:
    """Starts no run: what it does is a question and, rarely, a message."""
    fired = alerts.evaluate()
    delivered, failed = outbox.send_due(most=4)
    return dg.SkipReason(f"{len(fired)} alerts fired, {delivered} messages sent, {failed} failed")
