"""Whether a day is what came, and whether it adds up."""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_resources.health.reconciliation import RELATION, Finding, Reconciliation, Severity

MOST_ROWS_SHOWN = 40
"""Of examples of one day; all of them stand in the table."""


@dg.asset(
    group_name="audit",
    kinds={"postgres", "sql"},
    deps=["fills", "oi_history"],
    code_version="1",
    **DAILY,
)
@patient
def reconciliation(
    context: dg.AssetExecutionContext, audit: dg.ResourceParam[Reconciliation]
) -> dg.MaterializeResult[None]:
    """One row per invariant of the tape, with what was checked, what failed, and where to look.

    Every trade has two sides, positions follow one another, rows and digests are those of the
    lake, and equity moves by what is known to move it (`account_reconciliation`). What dust,
    deleveraging or settlement explains is counted apart. Nothing is repaired.
    """
    for day in days_of(context):
        findings = audit.build(day)
        report_day(
            context,
            day,
            len(findings),
            invariants=dg.MetadataValue.table([_record(one) for one in findings]),
            examples=dg.MetadataValue.md(_examples(findings)),
            not_held=", ".join(one.invariant for one in findings if one.failed) or "none",
        )
    return dg.MaterializeResult()


@dg.asset_check(
    asset="fills",
    blocking=True,
    description="Rows and digests are those of the lake, and no fill stands twice.",
)
def fills_are_what_came(
    context: dg.AssetCheckExecutionContext, audit: dg.ResourceParam[Reconciliation]
) -> dg.AssetCheckResult:
    """Blocks what is built of fills: an aggregate of a day that is not what came would be wrong.

    Of a run of many days it blocks all of them; `vigil backfill` then runs each day alone.
    """
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    broken = {str(day): found for day in days if (found := audit.broken(day))}
    return dg.AssetCheckResult(
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=_shown(broken),
    )


@dg.asset_check(asset=RELATION, description="Every invariant that could be checked holds.")
def invariants_hold(
    context: dg.AssetCheckExecutionContext, audit: dg.ResourceParam[Reconciliation]
) -> dg.AssetCheckResult:
    """An error says that what is stored is not what came, a warning that the source is odd."""
    days = [date.fromisoformat(key) for key in context.op_execution_context.partition_keys]
    broken = {str(day): found for day in days if (found := audit.failures(day))}
    is_error = any(
        one.severity is Severity.ERROR for findings in broken.values() for one in findings
    )
    return dg.AssetCheckResult(
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        metadata=_shown(broken),
    )


def _shown(broken: Mapping[str, Sequence[Finding]]) -> dict[str, dg.MetadataValue]:
    examples = [f"## {day}\n{_examples(findings)}" for day, findings in broken.items()]
    failed = {day: {one.invariant: one.failed for one in found} for day, found in broken.items()}
    return {
        "failed": dg.MetadataValue.json(failed),
        "examples": dg.MetadataValue.md("\n\n".join(examples) or "none"),
    }


def _record(finding: Finding) -> dg.TableRecord:
    measure = "" if finding.measure is None else f"{finding.measure:f}"
    return dg.TableRecord(
        {
            "invariant": finding.invariant,
            "severity": finding.severity.value,
            "status": finding.status,
            "checked": finding.checked,
            "failed": finding.failed,
            "measure": measure,
            "reason": finding.reason or "",
        }
    )


def _examples(findings: Sequence[Finding]) -> str:
    """A Markdown table of the examples, with the keys that find the rows."""
    rows = [
        f"| {one.invariant} | {', '.join(f'{key} {value}' for key, value in example.items())} |"
        for one in findings
        for example in one.examples
    ]
    head = ["| invariant | example |", "| --- | --- |"]
    return "\n".join([*head, *rows[:MOST_ROWS_SHOWN]]) if rows else "none"
