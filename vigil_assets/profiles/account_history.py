"""Funding and transfers of the accounts that are watched."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.metrics.account_history import AccountHistory


@dg.asset(
    group_name="profiles",
    kinds={"postgres"},
    deps=["trader_profiles"],
    code_version="1",
    **DAILY,
)
@patient
def account_history(
    context: dg.AssetExecutionContext, accounts: dg.ResourceParam[AccountHistory]
) -> dg.MaterializeResult[None]:
    """Payments of funding and ledger updates of the watchlist's accounts and `VIGIL_ACCOUNTS`.

    The exchange is asked once for each stretch of an account's days.
    """
    days = sorted(days_of(context))
    taken = accounts.take_in(days)
    for day in days:
        report_day(
            context,
            day,
            taken.rows[day],
            accounts=taken.accounts,
            untold_ledger_updates=dg.MetadataValue.json(taken.untold),
        )
    return dg.MaterializeResult()
