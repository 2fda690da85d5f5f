"""The exchange's market contexts as Parquet, and whether a day is whole."""

from datetime import date
from typing import Any

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import BY_DAY, days_of, report_day
from vigil_assets.plots import hourly_plot
from vigil_core.snapshots.asset_ctxs import (
    COLUMN_DESCRIPTIONS,
    FIRST_DAY,
    MINUTES_PER_DAY,
    SCHEMA,
)
from vigil_resources.files.asset_ctxs import AssetCtxs, Entry

CONTEXT_DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat())
"""UTC days from the first of the archive's files on."""

COLUMNS = dg.TableSchema(
    [dg.TableColumn(name, str(dtype), COLUMN_DESCRIPTIONS[name]) for name, dtype in SCHEMA.items()]
)


@dg.asset(
    group_name="lake",
    kinds={"s3", "lz4", "parquet"},
    code_version="1",
    metadata={"dagster/column_schema": COLUMNS},
    **(BY_DAY | {"partitions_def": CONTEXT_DAYS}),
)
@patient
def asset_ctxs(
    context: dg.AssetExecutionContext, ctxs: dg.ResourceParam[AssetCtxs]
) -> dg.MaterializeResult[None]:
    """One row per perp and minute: mark, oracle, funding, open interest, premium, book, volume.

    Read from the exchange's own archive. A day whose object the lake holds already is left
    alone; a day without an object fails, for there is nothing to show. A line that is no row
    goes to the quarantine, with its place, reason and text.
    """
    listing = ctxs.listing()
    for day in days_of(context):
        entry = ctxs.take_in(day, listing)
        report_day(context, day, entry.rows, **_counts(entry))
    return dg.MaterializeResult()


def _counts(entry: Entry) -> dict[str, Any]:
    hours = [rows or None for rows in entry.rows_by_hour]
    return {
        "source": entry.source,
        "rejected_lines": entry.rejected,
        "repeated_lines": entry.repeated,
        "unknown_columns": dg.MetadataValue.json(entry.unknown_columns),
        "minutes_present": entry.minutes_present,
        "missing_minutes": dg.MetadataValue.json(entry.missing_minutes),
        "coins": entry.coins,
        "hourly_rows": hourly_plot(hours, f"Rows per hour, {entry.day}"),
    }


@dg.asset_check(asset=asset_ctxs, description="Every minute of the day has at least one coin.")
def minutes_complete(
    context: dg.AssetCheckExecutionContext, ctxs: dg.ResourceParam[AssetCtxs]
) -> dg.AssetCheckResult:
    """A missing minute is a warning: the archive's recent days can be cut short."""
    # In a run of many days a check runs once: the days stand in the metadata.
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    entries = [ctxs.finished(day) for day in days]
    short = [entry for entry in entries if entry.minutes_present < MINUTES_PER_DAY]
    return dg.AssetCheckResult(
        passed=not short,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "minutes_missing": sum(MINUTES_PER_DAY - entry.minutes_present for entry in short),
            "missing_minutes": dg.MetadataValue.json({e.day: e.missing_minutes for e in short}),
        },
    )
