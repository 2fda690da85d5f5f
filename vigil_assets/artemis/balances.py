"""Balances of all accounts, and what is counted in them."""

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg

from vigil_assets.artemis.together import build_days, daily_relations
from vigil_assets.automation.retries import patient
from vigil_assets.partitions import BY_DAY, days_of, report_day
from vigil_assets.plots import open_interest_plot
from vigil_resources.artemis.open_interest import RELATIONS, OpenInterest
from vigil_resources.files.perp_balances import PerpBalances

DESCRIPTIONS = {
    "oi_history": "Open interest per perp: counted in the balances, carried by the fills.",
    "addresses": "One row per address that ever held a position of 50,000 USD.",
}
assert tuple(DESCRIPTIONS) == RELATIONS


@dg.asset(group_name="raw", kinds={"s3"}, code_version="1", **BY_DAY)
@patient
def raw_perp_balances(
    context: dg.AssetExecutionContext, balances: dg.ResourceParam[PerpBalances]
) -> dg.MaterializeResult[None]:
    """The objects of a day at the source: what there is, and how much."""
    for day in days_of(context):
        objects = balances.listing(day)
        size = sum(one.size for one in objects)
        report_day(context, day, len(objects), bytes=size)
    return dg.MaterializeResult()


@dg.asset(
    group_name="lake",
    kinds={"s3", "parquet"},
    deps=[raw_perp_balances],
    code_version="1",
    **BY_DAY,
)
@patient
def perp_balances_parquet(
    context: dg.AssetExecutionContext, balances: dg.ResourceParam[PerpBalances]
) -> dg.MaterializeResult[None]:
    """Every account and perp position of a day's balances, the latest record of each address.

    An object of which no line yields an account fails the day; a line that is no record goes to
    the quarantine.
    """
    for day in days_of(context):
        entry = balances.take_in(day)
        report_day(
            context,
            day,
            entry.positions,
            accounts=entry.accounts,
            rejected_lines=entry.rejected,
            layout=entry.layout,
            recorded_at=dg.MetadataValue.timestamp(entry.recorded_at / 1000),
        )
    return dg.MaterializeResult()


@daily_relations(DESCRIPTIONS, deps=["perp_balances_parquet", "fills_parquet", "candles"])
@patient
def open_interest(
    context: dg.AssetExecutionContext, interest: dg.ResourceParam[OpenInterest]
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild each day of the run, with `oi_changes`, `account_balances`, `balance_collapses`."""

    def build(day: date) -> Mapping[str, int]:
        rows = interest.build(day)
        if dg.AssetKey(RELATIONS[0]) in context.selected_asset_keys:
            plot = {"open_interest": open_interest_plot(interest.rows(day), day)}
            context.add_asset_metadata(plot, asset_key=RELATIONS[0], partition_key=str(day))
        return rows

    yield from build_days(context, RELATIONS, build)
