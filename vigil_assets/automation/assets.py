"""What automation adds to the assets: when they are built, and how old they may be."""

from collections.abc import Iterable

import dagster as dg

from vigil_assets.automation import freshness
from vigil_assets.automation.conditions import STALE
from vigil_assets.automation.judge import BALANCES, CONTEXTS, left_out
from vigil_resources.settings import Settings
from vigil_resources.statements import models

ON_ARRIVAL = frozenset({"raw_fills", "fills_parquet", "fills"})
"""Loaded when their objects come, by the sensor that sees them."""

ON_SCHEDULE = BALANCES | {CONTEXTS}
"""Asked for at hours at which their buckets may have them: each look may cost the reader."""

_HOURLY = ON_ARRIVAL | frozenset(models())


def automated(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same, each with its condition and its freshness policy.

    What is left out of a backfill unless it is named never gets old.
    """
    unasked = left_out(Settings.from_environment()).keys()
    return [one.map_asset_specs(lambda spec: _automated(spec, unasked)) for one in assets]


def _automated(spec: dg.AssetSpec, unasked: Iterable[str]) -> dg.AssetSpec:
    name = spec.key.to_user_string()
    if name not in ON_ARRIVAL | ON_SCHEDULE:
        spec = spec.replace_attributes(automation_condition=STALE)
    if name in unasked:
        return spec
    if name in ON_SCHEDULE:
        return spec.replace_attributes(freshness_policy=freshness.NEXT_DAY)
    policy = freshness.HOURLY if name in _HOURLY else freshness.DAILY
    return spec.replace_attributes(freshness_policy=policy)
