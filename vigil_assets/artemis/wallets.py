"""Wallets: profiles by lots, and who opens with whom."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.artemis.together import build_days, daily_relations
from vigil_assets.automation.retries import patient
from vigil_resources.artemis.wallets import RELATIONS, Wallets

DESCRIPTIONS = {
    "wallet_profiles": "One row per wallet, day's end and window, from lots first in, first out.",
    "co_occurrences": "One row per perp, direction and pair of wallets that opened together.",
}
assert tuple(DESCRIPTIONS) == RELATIONS


@daily_relations(DESCRIPTIONS, deps=["fills", "round_trips"])
@patient
def wallets(
    context: dg.AssetExecutionContext, wallet_days: dg.ResourceParam[Wallets]
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild each day of the run, earlier ones first: a day begins with the lots left open."""
    yield from build_days(context, RELATIONS, wallet_days.build)
