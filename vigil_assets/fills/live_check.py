"""What was streamed of a day, beside the day's file."""

from dataclasses import asdict
from datetime import date

import dagster as dg

from vigil_resources.database.warehouse import Warehouse
from vigil_resources.live.store import LiveConfirmations


@dg.asset_check(
    asset="fills", description="What was streamed of the day is what its file says, but for gaps."
)
def live_fills_are_confirmed(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    """A warning: the file is loaded either way, and readers see what it says."""
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    confirmations = LiveConfirmations(warehouse)
    found = [one for day in days for one in confirmations.confirm(day)]
    table = [
        dg.TableRecord({**asdict(one), "day": str(one.day), "kind": one.kind.value})
        for one in found
    ]
    return dg.AssetCheckResult(
        passed=all(one.holds for one in found),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "streamed": sum(one.live_rows for one in found),
            "differing": sum(one.differing for one in found),
            "never_streamed": sum(one.unseen for one in found),
            "confirmations": dg.MetadataValue.table(table) if table else "nothing was streamed",
        },
    )
