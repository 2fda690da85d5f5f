"""One followed trader's paper account: equity, copies with their costs, signals, chat messages."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vigil_api.cursors import CursorText, decode, encode
from vigil_api.pages.manage import Accounts, account_of
from vigil_api.pages.outcomes import OUTCOMES
from vigil_api.pages.rendering import Held, page, query_of
from vigil_api.routes.requests import TraderId
from vigil_core.calendar import day_start_ms
from vigil_core.thinning import thinned
from vigil_resources.desk.signals import Signals
from vigil_resources.desk.traders import Traders

router = APIRouter(include_in_schema=False)

ASSETS = ("paper_trades", "trader_performance", "trader_risk")
ROWS = 50


@router.get("/manage/{id:trader}/signals")
def signals(
    request: Request,
    which: TraderId,
    desk: Accounts,
    connection: Held,
    outcome: Annotated[str, Query(max_length=40)] = "",
    coin: Annotated[str, Query(max_length=40)] = "",
    after: CursorText = None,
) -> Response:
    """The paper account, what is open, what was closed, and every signal with its outcome."""
    trader = Traders(connection).get(which)
    number = trader.trader_id
    name = f"signals of {number}"
    asked = {"outcome": outcome.strip() or None, "coin": coin.strip() or None}
    before = decode(after, name, int, int)
    found = Signals(connection).page(
        number, coin=asked["coin"], outcome=asked["outcome"], before=before, limit=ROWS + 1
    )
    following = None
    if len(found) > ROWS:
        last = found[ROWS - 1]
        following = encode(name, last.leader_time, last.signal_id)
    here = f"/manage/{number}/signals"
    return page(
        request,
        "manage_signals.html",
        part="_signals.html",
        assets=ASSETS,
        row=account_of(desk, number),
        trader=trader,
        signals=found[:ROWS],
        asked=asked,
        here=here,
        first=after is None,
        next_link=following and f"{here}?{query_of(**asked, after=following)}",
        curve=desk.curve(number),
        open_copies=desk.copies(number, are_open=True),
        closed_copies=desk.copies(number, are_open=False, limit=50),
        costs=desk.costs(number),
        outcomes=desk.outcomes(number),
        codes=OUTCOMES,
    )


@router.get("/manage/{id:trader}/messages")
def messages(
    request: Request,
    which: TraderId,
    desk: Accounts,
    connection: Held,
    after: CursorText = None,
) -> Response:
    """Messages of a chat that is followed, and what was read from each, or why nothing was."""
    trader = Traders(connection).get(which)
    name = f"messages of {trader.trader_id}"
    before = decode(after, name, int, int)
    found = desk.messages(trader.trader_id, before=before, limit=ROWS + 1)
    following = None
    if len(found) > ROWS:
        last = found[ROWS - 1]
        following = encode(name, last["posted_at"], last["message_id"])
    here = f"/manage/{trader.trader_id}/messages"
    return page(
        request,
        "manage_messages.html",
        assets=(),
        row=account_of(desk, trader.trader_id),
        messages=found[:ROWS],
        first=after is None,
        here=here,
        next_link=following and f"{here}?{query_of(after=following)}",
    )


@router.get("/charts/manage/{id:trader}")
def curve(which: TraderId, desk: Accounts, connection: Held) -> JSONResponse:
    """Equity and drawdown of a paper account, day by day."""
    rows = desk.curve(Traders(connection).get(which).trader_id)
    kept = [rows[place] for place in thinned([_number(row["equity_usd"]) for row in rows])]
    return JSONResponse(
        {
            "kind": "time",
            "panes": True,
            "x": [day_start_ms(row["date"]) for row in kept],
            "series": [
                {
                    "name": "Equity, USD",
                    "unit": "USD",
                    "shape": "area",
                    "values": [_number(row["equity_usd"]) for row in kept],
                },
                {
                    "name": "Drawdown, % of the highest equity",
                    "unit": "%",
                    "shape": "area",
                    "tone": "loss",
                    "values": [_number(row["current_drawdown"]) for row in kept],
                },
            ],
        }
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
