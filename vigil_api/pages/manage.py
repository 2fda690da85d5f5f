"""What do I follow, and how? Accounts of the followed traders, alerts, and what is switched on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from vigil_api.database import Connection
from vigil_api.pages.forms import Posted
from vigil_api.pages.rendering import Held, is_part, page, part, query_of
from vigil_api.problems import Problem
from vigil_api.routes.requests import TraderId
from vigil_api.security import Manager
from vigil_resources.desk.alert_log import Alert, AlertLog
from vigil_resources.desk.reads import Desk
from vigil_resources.desk.traders import Traders
from vigil_resources.metrics.explorer import Row

router = APIRouter(include_in_schema=False)


def desk_of(connection: Held) -> Desk:
    """What pages show of the desk, on the page's connection."""
    return Desk(connection)


Accounts = Annotated[Desk, Depends(desk_of)]

ASSETS = ("paper_trades", "trader_performance", "trader_risk", "published_traders")
VIEWS = ("cards", "table")
MOST_CARDS = 12
"""With more, a table says more: cards are then asked for."""


@router.get("/manage")
def manage(
    request: Request,
    desk: Accounts,
    connection: Held,
    view: Annotated[str, Query(max_length=10)] = "",
    add: Annotated[str, Query(max_length=42)] = "",
) -> Response:
    """All that is followed: alerts, accounts beside the leaders' records, intents."""
    if add:
        return see(f"/manage/add?{query_of(address=add)}")
    rows = desk.accounts()
    active = [row for row in rows if row["active"]]
    chosen = view if view in VIEWS else "table" if len(rows) > MOST_CARDS else "cards"
    return page(
        request,
        "manage.html",
        assets=ASSETS,
        view=chosen,
        views=VIEWS,
        rows=rows,
        active=active,
        paused=[row for row in rows if not row["active"]],
        archived=desk.accounts(archived=True),
        alerts=_alerts(connection),
        intents=desk.intents(),
        any_ready=any(row["state"] == "live_ready" for row in rows),
        paper_until=desk.paper_until(),
        names={row["trader_id"]: row["name"] for row in rows},
    )


@router.post("/manage/{id:trader}/switch")
def switch(
    request: Request, which: TraderId, caller: Manager, form: Posted, desk: Accounts
) -> Response:
    """Switch on or off, and show the switch as it is now."""
    wanted = form.one("active")
    if wanted not in {"true", "false"}:
        raise Problem("bad-request", "the form has no active")
    with request.app.state.database.write() as connection:
        trader = Traders(connection).switch(which, wanted == "true", by=caller.name)
    if not is_part(request):
        return see(f"/manage#trader-{trader.trader_id}")
    row = account_of(desk, trader.trader_id)
    return part(request, "_switch.html", row=row, as_part=True)


@router.post("/manage/alerts/{number}/acknowledge")
def acknowledge(request: Request, number: int, caller: Manager, connection: Held) -> Response:
    """Say that somebody saw an alert, and show those that are left."""
    if not 0 < number < 10**18:
        raise Problem("not-found", f"alert {number}")
    with request.app.state.database.write() as writing:
        AlertLog(writing).acknowledge(number, by=caller.name)
    if not is_part(request):
        return see("/manage#alerts")
    return part(request, "_alerts.html", alerts=_alerts(connection), as_part=True)


def see(address: str) -> Response:
    """What answers a form that was carried out: the page that shows it."""
    return RedirectResponse(address, status_code=303)


def account_of(desk: Desk, trader_id: int) -> Row:
    """One account. Raises `Problem`."""
    found = desk.account(trader_id)
    if found is None:
        raise Problem("not-found", f"nobody is followed by the number {trader_id}")
    return found


def _alerts(connection: Connection) -> list[Alert]:
    return AlertLog(connection).page(is_open=True)
