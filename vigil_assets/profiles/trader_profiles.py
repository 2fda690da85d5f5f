"""Who each trader is, over all loaded days."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.database.warehouse import Warehouse


@dg.asset(
    group_name="profiles",
    kinds={"postgres", "sql"},
    deps=["trader_daily", "round_trips"],
    code_version="1",
    **DAILY,
)
@patient
def trader_profiles(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult[None]:
    """One row per trader over all loaded days, with the class of rule set `seed_100k`.

    A partition says that its day is in the profiles; a run of many days computes them once.
    """
    traders = warehouse.publish_profiles()
    classes = dg.MetadataValue.md(_table(warehouse))
    for day in days_of(context):
        report_day(context, day, traders, classes=classes)
    return dg.MaterializeResult()


def _table(warehouse: Warehouse) -> str:
    lines = [
        "| class | traders | fills | volume USD | net PnL USD |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, traders, fills, volume, pnl in warehouse.rows("profiles/classes"):
        known = "unknown" if pnl is None else f"{pnl:,.0f}"
        lines.append(f"| {name} | {traders:,} | {fills:,} | {volume:,.0f} | {known} |")
    return "\n".join(lines)
