"""What the trades of a day were: four tables from one reading of its fills."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.artemis.together import build_days, daily_relations
from vigil_assets.automation.retries import patient
from vigil_resources.artemis.market_history import RELATIONS, MarketHistory

DESCRIPTIONS = {
    "candles": "One row per perp and minute, and per five minutes; flat where nothing was traded.",
    "volume_history": "One row per perp and five minutes: each trade once, transfers apart.",
    "trade_flow_history": "One row per perp and five minutes: volume bought and sold by takers.",
    "liquidation_events": "One row per victim, ms and side from 100 USD: the position that died.",
}
assert tuple(DESCRIPTIONS) == RELATIONS


@daily_relations(DESCRIPTIONS, deps=["fills_parquet"])
@patient
def market_history(
    context: dg.AssetExecutionContext, history: dg.ResourceParam[MarketHistory]
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild each day of the run, earlier ones first: a quiet coin goes on from the day before."""
    yield from build_days(context, RELATIONS, history.build)
