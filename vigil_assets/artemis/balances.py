"""Balances of all accounts, and what is counted in them."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.open_interest import OpenInterest
from vigil_resources.perp_balances import PerpBalances

_POLICY = {name: value for name, value in DAILY.items() if name != "owners"}


@dg.asset(group_name="raw", kinds={"s3"}, code_version="1", **DAILY)
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
    **DAILY,
)
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


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name,
            deps=["perp_balances_parquet", "fills_parquet", "candles"],
            description=text,
            group_name="artemis",
            kinds={"polars", "postgres"},
            code_version="1",
            owners=DAILY["owners"],
        )
        for name, text in {
            "oi_history": "Open interest per perp: counted in the balances, carried by the fills.",
            "addresses": "One row per address that ever held a position of 50,000 USD.",
        }.items()
    ],
    **_POLICY,
)
def open_interest(
    context: dg.AssetExecutionContext, interest: dg.ResourceParam[OpenInterest]
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild each day of the run, with `oi_changes` and `account_balances`."""
    for day in days_of(context):
        rows = interest.build(day)
        for name in ("oi_history", "addresses"):
            context.add_asset_metadata(
                {"dagster/partition_row_count": rows[name]}, asset_key=name, partition_key=str(day)
            )
        context.log.info("%s: %s", day, rows)
    for name in ("oi_history", "addresses"):
        yield dg.MaterializeResult(asset_key=name)
