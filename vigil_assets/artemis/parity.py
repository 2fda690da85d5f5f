"""What was known live, beside what is known now."""

from dataclasses import asdict
from datetime import date

import dagster as dg

from vigil_resources.artemis.live_snapshots import parity_report
from vigil_resources.database.warehouse import Warehouse


@dg.asset_check(
    asset="feature_snapshots", description="Live rows of the day are those of the backfill."
)
def live_agrees_with_backfill(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    """Where they differ, something came late, or not at all: the live row says what was known."""
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    report = parity_report(warehouse, days)
    if not report:
        return dg.AssetCheckResult(
            passed=True,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"parity": "no live rows"},
        )
    different = sum(one.rows_different for one in report)
    return dg.AssetCheckResult(
        passed=different == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "values_different": different,
            "parity": dg.MetadataValue.table([dg.TableRecord(asdict(one)) for one in report]),
        },
    )
