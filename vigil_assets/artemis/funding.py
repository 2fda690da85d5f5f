"""Settled funding rates."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import BY_DAY, days_of, report_day
from vigil_resources.artemis.funding_history import FundingHistory


@dg.asset(group_name="artemis", kinds={"postgres"}, code_version="1", **BY_DAY)
@patient
def funding_history(
    context: dg.AssetExecutionContext, funding: dg.ResourceParam[FundingHistory]
) -> dg.MaterializeResult[None]:
    """One row per coin of `VIGIL_COINS` and hour, as settled by the exchange.

    A finished day is asked for once and kept in the lake.
    """
    for day in days_of(context):
        report_day(context, day, funding.build(day))
    return dg.MaterializeResult()
