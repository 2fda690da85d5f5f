"""Wallets: profiles by lots, and who opens with whom."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.partitions import DAILY, days_of
from vigil_resources.wallets import RELATIONS, Wallets

DESCRIPTIONS = {
    "wallet_profiles": "One row per wallet, day's end and window, from lots first in, first out.",
    "co_occurrences": "One row per perp, direction and pair of wallets that opened together.",
}
assert tuple(DESCRIPTIONS) == RELATIONS

_POLICY = {name: value for name, value in DAILY.items() if name != "owners"}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name,
            deps=["fills", "round_trips"],
            description=text,
            group_name="artemis",
            kinds={"polars", "postgres"},
            code_version="1",
            owners=DAILY["owners"],
        )
        for name, text in DESCRIPTIONS.items()
    ],
    **_POLICY,
)
def wallets(
    context: dg.AssetExecutionContext, wallet_days: dg.ResourceParam[Wallets]
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild each day of the run, earlier ones first: a day begins with the lots left open."""
    for day in days_of(context):
        for name, rows in wallet_days.build(day).items():
            context.add_asset_metadata(
                {"dagster/partition_row_count": rows}, asset_key=name, partition_key=str(day)
            )
            context.log.info("%s %s: %d rows", name, day, rows)
    for name in DESCRIPTIONS:
        yield dg.MaterializeResult(asset_key=name)
