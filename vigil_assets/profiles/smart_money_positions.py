"""What smart money held at each hour, by what was known then."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.database.warehouse import Warehouse


@dg.asset(
    group_name="profiles",
    kinds={"postgres", "sql"},
    deps=["fills", "trader_daily", "round_trips"],
    code_version="1",
    **DAILY,
)
@patient
def smart_money_positions(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult[None]:
    """One row per perp and full UTC hour: long and short notional of smart money.

    Who is smart money is what `seed_100k` said at the start of that day, from the days before;
    positions and prices are the last ones before the hour. Nothing in a row was unknown then.
    """
    for day in days_of(context):
        report_day(context, day, warehouse.build_positions(day))
    return dg.MaterializeResult()
