"""Whose first fill anywhere is recent, of the traders worth watching."""

from collections import Counter

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_core.calendar import day_of
from vigil_core.new_smart_money import DEFAULT_CUTOFF, Finding
from vigil_resources.metrics.new_smart_money import NewSmartMoney

_MOST_ROWS_SHOWN = 25
_NAMES = {True: "new", False: "not_new", None: "unknown"}


@dg.asset(
    group_name="profiles",
    kinds={"json"},
    deps=["smart_money_watchlist"],
    code_version="1",
    **DAILY,
)
@patient
def new_smart_money(
    context: dg.AssetExecutionContext, newcomers: dg.ResourceParam[NewSmartMoney]
) -> dg.MaterializeResult[None]:
    """One line per trader of the watchlist, with the first fill that the exchange's API gives.

    What `./vigil find-new-smart-money` does. The exchange is asked as of now, whatever day the
    partition is of: a run of many days asks once, one of the same UTC day only what is missing.
    """
    result = newcomers.find(
        cutoff=DEFAULT_CUTOFF,
        report=lambda p: context.log.info("%d of %d addresses", p.done, p.total),
    )
    counts = Counter(_NAMES[one.is_new] for one in result.findings)
    table = dg.MetadataValue.md(_table(result.findings))
    for day in days_of(context):
        report_day(
            context,
            day,
            len(result.findings),
            **{name: counts[name] for name in _NAMES.values()},
            asked=result.asked,
            cutoff=str(DEFAULT_CUTOFF),
            # Below VIGIL_DATA_DIR, wherever that is.
            file=result.path.name,
            traders=table,
        )
    return dg.MaterializeResult()


def _table(findings: tuple[Finding, ...]) -> str:
    shown = sorted(findings, key=lambda one: -one.first_fill)[:_MOST_ROWS_SHOWN]
    lines = [
        f"The {len(shown)} with the latest first fill, of {len(findings):,}",
        "",
        "| trader | new | first fill | last fill | fills | PnL by the API, USD | net PnL, USD |",
        "|---|---|---|---|--:|--:|--:|",
    ]
    for one in shown:
        pnl = "" if one.db_net_pnl is None else f"{one.db_net_pnl:,.0f}"
        lines.append(
            f"| {one.user_address} | {_NAMES[one.is_new]} | {day_of(one.first_fill)} "
            f"| {day_of(one.last_fill)} | {one.fills_seen:,} | {one.api_closed_pnl:,.0f} | {pnl} |"
        )
    return "\n".join(lines)
