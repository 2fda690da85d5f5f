"""Fills as Parquet, by the UTC day of their own time."""

from datetime import date

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.columns import lake_columns
from vigil_assets.partitions import BY_DAY, data_version, days_of, report_day
from vigil_assets.plots import hourly_plot
from vigil_core.calendar import HOURS_PER_DAY
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.raw_fills import RawFills


@dg.asset(
    group_name="lake",
    kinds={"parquet", "polars"},
    deps=["raw_fills"],
    code_version="2",
    metadata={"dagster/column_schema": lake_columns()},
    **BY_DAY,
)
@patient
def fills_parquet(
    context: dg.AssetExecutionContext,
    raw: dg.ResourceParam[RawFills],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """One row per side of a trade, on the UTC day of its own time.

    Objects whose present content the lake holds already are left alone; the others are decoded
    two at a time. A line that is none of its format goes to the quarantine whole, with its
    place, reason and text. A fill that two formats of the node hold is kept once.
    """
    versions = []
    for day in days_of(context):
        _take_in(context, raw, lake, day)
        content = lake.day(day)
        report_day(context, day, content.rows, **_counts(content))
        context.log_event(_hourly_fills(content))
        versions.append(content.version)
    return dg.MaterializeResult(data_version=data_version(versions))


def _take_in(context: dg.AssetExecutionContext, raw: RawFills, lake: Lake, day: date) -> None:
    lake.take_in_stale(
        raw.store,
        lake.manifest(day),
        lambda entry: context.log.info(
            "%s: %d rows, %d lines rejected", entry.name, entry.rows, entry.rejected
        ),
    )


def _counts(content: DayOfLake) -> dict[str, object]:
    entries = content.entries.values()
    unknown: dict[str, int] = {}
    for entry in entries:
        for key, count in entry.unknown_keys.items():
            unknown[key] = unknown.get(key, 0) + count
    return {
        "rejected_lines": sum(entry.rejected for entry in entries),
        "unknown_keys": dg.MetadataValue.json(unknown),
        "blocks_without_fills": sum(entry.empty_blocks for entry in entries),
        "lines_read_slowly": sum(entry.slow_lines for entry in entries),
        "repeated_fills": sum(entry.repeated for entry in entries),
        "superseded_fills": sum(entry.superseded for entry in entries),
        "holes_in_blocks": sum(b.before > b.after + 1 for e in entries for b in e.breaks),
        "final": not content.awaits,
        "awaits": ", ".join(content.awaits) or "nothing",
        "parts": len(content.parts),
        "content_version": content.version,
    }


def _hourly_fills(content: DayOfLake) -> dg.AssetObservation:
    """What decoding found out about the raw objects, shown on `raw_fills` itself."""
    day = content.day
    present = {hour.file_id for hour in content.entries}
    counts: list[int | None] = []
    for hour in range(HOURS_PER_DAY):
        name = SourceHour(day, hour).file_id
        found = sum(entry.rows_by_hour.get(name, 0) for entry in content.entries.values())
        counts.append(found if name in present or found else None)
    return dg.AssetObservation(
        asset_key="raw_fills",
        partition=day.isoformat(),
        metadata={
            "fills": content.rows,
            "hourly_fills": hourly_plot(counts, f"Fills per hour of their own time, {day}"),
        },
    )
