"""Can I trust today's numbers?"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, page
from vigil_resources.explorer import Explorer, Rows

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("raw_fills", "fills", "reconciliation", "published_traders")
DAYS = 14

MADE_WITH = {
    "account_balances": "addresses",
    "balance_collapses": "addresses",
    "oi_changes": "oi_history",
    "persistence_rolls": "persistence_test",
}
"""Tables that are built by the asset of another."""


@router.get("/health")
def health(request: Request, reads: Reads) -> Response:
    """What came, what is built of it, and what the invariants say."""
    checks = reads.health_checks(DAYS)
    return page(
        request,
        "health.html",
        assets=ASSETS,
        days=reads.health_days(),
        relations=reads.health_relations(),
        made_with=MADE_WITH,
        check_days=sorted({row["day"] for row in checks}, reverse=True),
        checks=by_invariant(checks),
        quarantined=reads.quarantined(),
    )


def by_invariant(checks: Rows) -> list[dict[str, Any]]:
    """One entry an invariant, the failed ones first, with its result of each day."""
    found: dict[str, dict[str, Any]] = {}
    for row in checks:
        entry = found.setdefault(
            row["invariant"],
            {"invariant": row["invariant"], "severity": row["severity"], "days": {}, "failed": 0},
        )
        entry["days"][row["day"]] = row
        entry["failed"] += row["status"] == "failed"
    return sorted(found.values(), key=lambda one: (-one["failed"], one["invariant"]))
