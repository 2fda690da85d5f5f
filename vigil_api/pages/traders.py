"""The list of traders: whom is it worth looking at?"""

from decimal import Decimal, InvalidOperation
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, page, query_of
from vigil_resources.metrics.explorer import (
    DEFAULT_SORT,
    CursorNotOurs,
    Explorer,
    Page,
    Sort,
    TraderFilter,
)

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ROWS = 50
ASSETS = ("published_traders", "trader_metrics", "trader_labels")
COLUMNS = (
    ("net_pnl", "Net PnL", "USD", "Realised less fees, perps, all days; funding is not in fills"),
    ("roi_30d", "ROI 30 d", "%", "Return on the largest exposure of the last 30 days"),
    ("roi_90d", "ROI 90 d", "%", "Return on the largest exposure of the last 90 days"),
    ("roi_all", "ROI all", "%", "Return on the largest exposure of all days"),
    ("sharpe_ratio", "Sharpe", "", "Of all calendar days, marked to market, annualised"),
    ("win_rate", "Win rate", "%", "Closed trades that won, after fees"),
    ("max_drawdown", "Drawdown", "%", "Deepest fall below a peak, on peak exposure"),
    ("volume_usd", "Volume", "USD", "Own perp fills, all days"),
)
"""What can be sorted by: column, header, unit, and what it is."""

STATES = ("followed", "evaluating", "paper", "live_ready")


@router.get("/traders")
def traders(
    request: Request,
    reads: Reads,
    q: Annotated[str, Query(max_length=80)] = "",
    type_: Annotated[str, Query(alias="type", max_length=40)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    coin: Annotated[str, Query(max_length=40)] = "",
    publishable: Annotated[str, Query(max_length=5)] = "",
    min_volume: Annotated[str, Query(max_length=20)] = "",
    sort: Annotated[str, Query(max_length=40)] = str(DEFAULT_SORT),
    after: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """A page of the list, or its rows."""
    asked = TraderFilter(
        trader_type=type_.strip() or None,
        state=state if state in STATES else None,
        coin=coin.strip() or None,
        q=q.strip() or None,
        publishable=publishable == "1",
        min_volume=_amount(min_volume),
    )
    by = _sort(sort)
    kept = {
        "q": asked.q,
        "type": asked.trader_type,
        "state": asked.state,
        "coin": asked.coin,
        "publishable": "1" if asked.publishable else None,
        "min_volume": asked.min_volume,
    }
    shown_sort = None if by == DEFAULT_SORT else str(by)
    try:
        found, notice = reads.traders(asked, by, limit=ROWS, cursor=after or None), ""
    except CursorNotOurs as error:
        found, notice = Page([], None), str(error)
    here = query_of(**kept, sort=shown_sort, after=after)
    return page(
        request,
        "traders.html",
        part="_traders.html",
        assets=ASSETS,
        headers={"HX-Replace-Url": f"/traders?{here}" if here else "/traders"},
        rows=found.rows,
        notice=notice,
        published=reads.published(),
        columns=COLUMNS,
        sort=by,
        asked=kept,
        states=STATES,
        first=not after,
        first_link=_link(**kept, sort=shown_sort),
        next_link=found.next and _link(**kept, sort=shown_sort, after=found.next),
        sort_links={name: _link(**kept, sort=_other(by, name)) for name, *_ in COLUMNS},
    )


def _link(**given: object) -> str:
    query = query_of(**given)
    return f"/traders?{query}" if query else "/traders"


def _sort(text: str) -> Sort:
    try:
        return Sort.parse(text)
    except ValueError:
        return DEFAULT_SORT


def _other(by: Sort, column: str) -> str:
    """What a click on a header asks for: from high to low first, then the other way round."""
    return str(Sort(column, is_down=not (by.column == column and by.is_down)))


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.replace(",", "").strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
