"""What lists of traders show, as of the last day built."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.metrics.published import PublishedTraders
from vigil_resources.statements import query


@dg.asset(
    group_name="desk",
    kinds={"postgres", "sql"},
    deps=["trader_metrics", "trader_labels", "trader_profiles", "addresses"],
    code_version="1",
    metadata={"sql": dg.MetadataValue.md(f"```sql\n{query('published/create_rows')}\n```")},
    **DAILY,
)
@patient
def published_traders(
    context: dg.AssetExecutionContext, published: dg.ResourceParam[PublishedTraders]
) -> dg.MaterializeResult[None]:
    """One row per trader with what lists are sorted by, and percentiles.

    A partition says that its day is in the rows; a run of many days publishes once.
    """
    found = published.build()
    told = {
        "as_of": dg.MetadataValue.timestamp(found.as_of / 1000),
        "kept_while_days_are_built_again": found.is_kept,
    }
    for day in days_of(context):
        report_day(context, day, found.traders, **told)
    return dg.MaterializeResult()
