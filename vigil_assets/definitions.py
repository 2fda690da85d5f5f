"""Everything Vigil runs, on one page."""

import dagster as dg

from vigil_assets.aggregates.daily import AGGREGATES
from vigil_assets.checks import hours_present, no_rejected_lines
from vigil_assets.fills.fills_parquet import fills_parquet
from vigil_assets.fills.loaded_fills import fills
from vigil_assets.fills.raw_fills import raw_fills
from vigil_assets.profiles.trader_profiles import trader_profiles
from vigil_assets.resources import LakeResource, RawFillsResource, WarehouseResource

ASSETS = [raw_fills, fills_parquet, fills, *AGGREGATES, trader_profiles]


@dg.definitions
def defs() -> dg.Definitions:
    """The one code location."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=[hours_present, no_rejected_lines],
        resources={
            "raw": RawFillsResource(),
            "lake": LakeResource(),
            "warehouse": WarehouseResource(),
        },
        # A process per step would cost more than the step's work.
        executor=dg.in_process_executor,
    )
