"""What the trades of a day were: four tables from one reading of its fills."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.partitions import DAILY, days_of
from vigil_resources.market_history import RELATIONS, MarketHistory

DESCRIPTIONS = {
    "candles": "One row per perp and minute, and per five minutes; flat where nothing was traded.",
    "volume_history": "One row per perp and five minutes: each trade once, transfers apart.",
    "trade_flow_history": "One row per perp and five minutes: volume bought and sold by takers.",
    "liquidation_events": "One row per victim, ms and side from 100 USD: the position that died.",
}
assert tuple(DESCRIPTIONS) == RELATIONS

_POLICY = {name: value for name, value in DAILY.items() if name != "owners"}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name,
            deps=["fills_parquet"],
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
def market_history(
    context: dg.AssetExecutionContext, history: dg.ResourceParam[MarketHistory]
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild each day of the run, earlier ones first: a quiet coin goes on from the day before."""
    for day in days_of(context):
        for name, rows in history.build(day).items():
            context.add_asset_metadata(
                {"dagster/partition_row_count": rows}, asset_key=name, partition_key=str(day)
            )
            context.log.info("%s %s: %d rows", name, day, rows)
    for name in DESCRIPTIONS:
        yield dg.MaterializeResult(asset_key=name)
