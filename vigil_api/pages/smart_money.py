"""Where does the money lean?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, page, query_of
from vigil_core.calendar import DAY_MS
from vigil_resources.metrics.explorer import Explorer

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("smart_money_positions", "trader_labels")
SHOWN_DAYS, NEW_DAYS = 7, 30


@router.get("/smart-money")
def smart_money(
    request: Request, reads: Reads, coin: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """Positions of smart money by coin, one coin's by hour, and who is new among them."""
    now = reads.positions_now()
    chosen = coin.strip() or (now[0]["coin"] if now else "")
    until = (now[0]["hour"] + 1) if now else 0
    start = max(until - SHOWN_DAYS * DAY_MS, 0)
    newest = reads.age().get("figures_until") or 0
    return page(
        request,
        "smart_money.html",
        assets=ASSETS,
        positions=now,
        coin=chosen,
        hours=reads.positions_between(start, until, chosen)[-24:] if chosen else [],
        chart="/charts/smart-money?" + query_of(**{"from": start}, coin=chosen, until=until),
        shown_days=SHOWN_DAYS,
        new=reads.new_smart_money(newest - NEW_DAYS * DAY_MS),
        new_days=NEW_DAYS,
        conditions=reads.conditions(),
    )
