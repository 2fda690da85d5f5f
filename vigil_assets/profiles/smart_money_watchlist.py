"""Smart money worth watching, as the profiles have it now."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.database.warehouse import Warehouse

_MOST_ROWS_SHOWN = 25


@dg.asset(
    group_name="profiles",
    kinds={"postgres", "sql"},
    deps=["trader_profiles"],
    code_version="1",
    **DAILY,
)
@patient
def smart_money_watchlist(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult[None]:
    """Report on the view of this name: SMART_DIRECTIONAL, with the Sharpe ratio and the days.

    The view follows the profiles by itself. A partition says that its day was in them; a run of
    many days reports once, over all that is loaded.
    """
    rows = warehouse.rows("profiles/watchlist")
    table = dg.MetadataValue.md(_table(rows))
    for day in days_of(context):
        report_day(context, day, len(rows), traders=len(rows), watchlist=table)
    return dg.MaterializeResult()


def _table(rows: list[tuple[object, ...]]) -> str:
    lines = [
        f"{len(rows):,} traders; the first {min(len(rows), _MOST_ROWS_SHOWN)} by Sharpe ratio",
        "",
        "| trader | days traded | volume USD | net PnL USD | Sharpe | win rate |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for address, days, volume, pnl, sharpe, wins, _ in rows[:_MOST_ROWS_SHOWN]:
        rate = "" if wins is None else f"{wins:.0%}"
        lines.append(f"| {address} | {days} | {volume:,.0f} | {pnl:,.0f} | {sharpe:.2f} | {rate} |")
    return "\n".join(lines)
