"""The seeds' figures beside the corrected ones."""

from typing import Any

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_assets.plots import class_changes_plot
from vigil_resources.database.warehouse import CLASSIFIED_BY, Warehouse

OURS = "vigil_v1"


@dg.asset(
    group_name="audit",
    kinds={"postgres", "sql"},
    deps=["trader_profiles", "trader_labels"],
    code_version="1",
    **DAILY,
)
@patient
def seed_audit(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult[None]:
    """How many traders each figure of the seeds differs for, why, and who changes class.

    The view `seed_audit` holds each trader's. A run of many days reports once, over all that is
    loaded.
    """
    figures = warehouse.rows("audit/figures")
    changes = warehouse.rows("audit/classes", {"seed": CLASSIFIED_BY, "ours": OURS})
    changed = sum(count for seed, ours, count in changes if seed != ours)
    for day in days_of(context):
        report_day(
            context,
            day,
            sum(row[1] for row in figures),
            traders_in_another_class=changed,
            figures=dg.MetadataValue.md(_table(figures)),
            classes=class_changes_plot(changes),
        )
    return dg.MaterializeResult()


def _table(figures: list[tuple[Any, ...]]) -> str:
    lines = [
        "| figure | traders | different | undefined now | median difference | largest | cause |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for metric, traders, undefined, different, median, largest, cause in figures:
        typical = "" if median is None else f"{median:.1%}"
        most = "" if largest is None else f"{largest:,.4g}"
        counts = f"{traders:,} | {different:,} | {undefined:,}"
        lines.append(f"| {metric} | {counts} | {typical} | {most} | {cause} |")
    return "\n".join(lines)
