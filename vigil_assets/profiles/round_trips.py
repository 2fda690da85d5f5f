"""Perp positions from flat to flat."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.database.round_trips import FILLS, RELATION, definition
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query


@dg.asset(
    group_name="profiles",
    kinds={"postgres", "sql"},
    deps=["fills"],
    code_version=definition(),
    metadata={"sql": dg.MetadataValue.md(f"```sql\n{query(FILLS)}\n```")},
    **DAILY,
)
@patient
def round_trips(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult[None]:
    """One row per perp position closed on the day, and in `trader_coin_daily` what stays open.

    A day goes on from where the days before left each position; rebuilt, it brings the days
    behind it up to date for the positions that it leaves otherwise than before. Days may be built
    in any order; in the order of time they cost least.
    """
    for day in days_of(context):
        report_day(context, day, warehouse.build_day(RELATION, day))
    return dg.MaterializeResult()
