"""Questions asked of a day after it was written."""

from datetime import date

import dagster as dg

from vigil_resources.artemis.market_history import MarketHistory
from vigil_resources.files.artemis_fills import ArtemisFills, compare_day
from vigil_resources.files.lake import Lake


@dg.asset_check(asset="raw_fills", description="All 24 hourly objects of the day are there.")
def hours_present(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    """A missing hour is a warning: it is shown, never filled in, and no error of ours."""
    # In a run of many days a check runs once: the days stand in the metadata.
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    missing = {str(day): lake.manifest(day).missing_hours for day in days}
    return dg.AssetCheckResult(
        passed=not any(missing.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "missing_hours": dg.MetadataValue.json({d: h for d, h in missing.items() if h}),
            "hours_missing": sum(map(len, missing.values())),
        },
    )


@dg.asset_check(asset="fills_parquet", description="No line of the day's objects was rejected.")
def no_rejected_lines(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    """Rejected lines are kept, with their places, in the lake and in `quarantined_lines`."""
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    found = {
        hour.name: entry.rejected
        for day in days
        for hour, entry in lake.day(day).entries.items()
        if entry.rejected
    }
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rejected_lines": dg.MetadataValue.json(found)},
    )


@dg.asset_check(asset="fills_parquet", description="Every object that can hold its rows is there.")
def day_is_final(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    """A provisional day is right as far as it goes; it is built again when its last hours come."""
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    awaits = {str(day): lake.day(day).awaits for day in days}
    return dg.AssetCheckResult(
        passed=not any(awaits.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"awaits": dg.MetadataValue.json({d: h for d, h in awaits.items() if h})},
    )


@dg.asset_check(asset="fills_parquet", description="Artemis' copy of the day holds the same fills.")
def agrees_with_artemis(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    artemis: dg.ResourceParam[ArtemisFills],
) -> dg.AssetCheckResult:
    """Both are copies of what the node wrote; where they differ, one of them lost something."""
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    found = {str(day): compare_day(lake, artemis, day) for day in days}
    compared = {day: counts for day, counts in found.items() if counts is not None}
    odd = ("rows_only_ours", "rows_only_theirs", "rows_that_differ")
    return dg.AssetCheckResult(
        passed=not any(counts[name] for counts in compared.values() for name in odd),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "days_compared": len(compared),
            "days_without_a_copy": ", ".join(found.keys() - compared.keys()) or "none",
            "rows": dg.MetadataValue.json(compared),
        },
    )


@dg.asset_check(asset="candles", description="The exchange's candles are those of our fills.")
def agrees_with_the_exchange(
    context: dg.AssetCheckExecutionContext, history: dg.ResourceParam[MarketHistory]
) -> dg.AssetCheckResult:
    """Where the exchange still has them: five-minute candles for 17 days, minutes for 3.5."""
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    found = {str(day): history.compare(day) for day in days}
    compared = {day: rows for day, rows in found.items() if rows}
    return dg.AssetCheckResult(
        passed=not any(row["different"] for rows in compared.values() for row in rows),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "candles_compared": sum(r["compared"] for rows in compared.values() for r in rows),
            "days_out_of_reach": ", ".join(found.keys() - compared.keys()) or "none",
            "comparison": dg.MetadataValue.json(compared),
        },
    )
