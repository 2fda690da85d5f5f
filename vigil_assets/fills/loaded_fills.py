"""Fills in the warehouse."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.columns import warehouse_columns
from vigil_assets.partitions import BY_DAY, data_version, days_of, report_day
from vigil_resources.database.warehouse import SIDE_BY_SIDE, LoadedDay, Warehouse
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.raw_fills import Manifest


@dg.asset(
    group_name="warehouse",
    kinds={"postgres"},
    deps=["fills_parquet"],
    code_version="2",
    metadata={"dagster/column_schema": warehouse_columns()},
    **BY_DAY,
)
@patient
def fills(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult[None]:
    """One row per side of a trade; every fill once.

    A whole UTC day is swapped in at once, and recorded in `load_progress` in the same
    transaction. Loaded twice is loaded once. Days of one run are loaded two at a time.
    """

    def load(day: date) -> tuple[Manifest, DayOfLake, LoadedDay]:
        manifest, content = lake.manifest(day), lake.day(day)
        missing = manifest.missing_hours
        loaded = warehouse.load_day(lake, content, source=manifest.source, missing_hours=missing)
        return manifest, content, loaded

    days = list(days_of(context))
    versions = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for day, (manifest, content, loaded) in zip(days, pool.map(load, days), strict=True):
            versions.append(content.version)
            report_day(
                context,
                day,
                loaded.rows,
                source=manifest.source,
                rejected_lines=loaded.rejected,
                repeated_fills=loaded.repeated,
                missing_hours=len(manifest.missing_hours),
                final=not content.awaits,
                rows_per_second=round(loaded.rows / loaded.seconds),
            )
    return dg.MaterializeResult(data_version=data_version(versions))
