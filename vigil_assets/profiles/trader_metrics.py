"""The corrected figures of traders, and what they are called for them."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.metrics.trader_metrics import TraderLabels, TraderMetrics
from vigil_resources.statements import query


@dg.asset(
    group_name="profiles",
    kinds={"postgres", "sql"},
    deps=["fills", "trader_daily", "round_trips"],
    code_version="1",
    metadata={"sql": dg.MetadataValue.md(f"```sql\n{query('metrics/add_totals')}\n```")},
    **DAILY,
)
@patient
def trader_metrics(
    context: dg.AssetExecutionContext, metrics: dg.ResourceParam[TraderMetrics]
) -> dg.MaterializeResult[None]:
    """A day's results and sums of each trader who did something or held a position.

    Each day stands on the one before. The view `trader_metrics` reads the figures of any trader
    as of any day from it.
    """
    for day in days_of(context):
        report_day(context, day, metrics.build(day))
    return dg.MaterializeResult()


@dg.asset(
    group_name="profiles",
    kinds={"postgres", "sql"},
    deps=[trader_metrics],
    code_version="1",
    metadata={"sql": dg.MetadataValue.md(f"```sql\n{query('labels/evaluate')}\n```")},
    **DAILY,
)
@patient
def trader_labels(
    context: dg.AssetExecutionContext, labels: dg.ResourceParam[TraderLabels]
) -> dg.MaterializeResult[None]:
    """What each rule set calls each trader from the day's end on; rows are what changed then."""
    for day in days_of(context):
        changed = labels.build(day)
        by_type = labels.by_type(day)
        classes = {name: dg.MetadataValue.json(counts) for name, counts in by_type.items()}
        report_day(context, day, changed, **classes)
    return dg.MaterializeResult()
