"""Fills in the warehouse."""

import dagster as dg

from vigil_assets.columns import warehouse_columns
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.lake import Lake
from vigil_resources.warehouse import Warehouse


@dg.asset(
    group_name="warehouse",
    kinds={"postgres"},
    deps=["fills_parquet"],
    code_version="1",
    metadata={"dagster/column_schema": warehouse_columns()},
    **DAILY,
)
def fills(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult[None]:
    """One row per side of a trade; every fill once.

    A whole UTC day is replaced in one transaction, and recorded in `load_progress` in the
    same. Loaded twice is loaded once.
    """
    for day in days_of(context):
        manifest = lake.manifest(day)
        loaded = warehouse.load_day(
            lake,
            lake.day(day),
            source=manifest.source,
            missing_hours=manifest.missing_hours,
        )
        report_day(
            context,
            day,
            loaded.rows,
            source=manifest.source,
            rejected_lines=loaded.rejected,
            repeated_fills=loaded.repeated,
            missing_hours=len(manifest.missing_hours),
        )
    return dg.MaterializeResult()
