"""Is all well, what changed?"""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, page
from vigil_core.calendar import DAY_MS
from vigil_resources.metrics.explorer import Explorer

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("fills", "trader_labels", "smart_money_positions", "trader_performance")


@router.get("/")
def overview(request: Request, reads: Reads) -> Response:
    """Alerts, smart money, who is followed, liquidations and health, each with its page."""
    age = reads.age()
    end, figures = age.get("data_until") or 0, age.get("figures_until") or 0
    by_hour = reads.liquidations_by_hour(end - DAY_MS, end) if end else []
    last_days = reads.health_days(limit=7)
    checks = reads.health_checks(1)
    return page(
        request,
        "overview.html",
        assets=ASSETS,
        published=reads.published(),
        alerts=reads.open_alerts(),
        new=reads.new_smart_money(figures - 7 * DAY_MS, limit=8),
        positions=reads.positions_now()[:8],
        followed=reads.followed_last_day(),
        liquidated=sum((row["notional"] for row in by_hour), Decimal(0)),
        liquidations=sum(row["trades"] for row in by_hour),
        largest=reads.liquidations(end - DAY_MS, end, limit=6) if end else [],
        last_days=last_days,
        failed=[row for row in checks if row["status"] == "failed"],
        checked=len(checks),
        coins=reads.coins()[:8],
    )
