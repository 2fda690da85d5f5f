"""What would copying have brought? Backtests: asked for, watched, and read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vigil_api.pages.forms import Form, Posted
from vigil_api.pages.manage import Accounts, see
from vigil_api.pages.rendering import Held, explorer_of, page, query_of
from vigil_api.problems import Problem
from vigil_api.routes.requests import writing_settings
from vigil_api.security import Manager
from vigil_core.calendar import day_of, day_start_ms
from vigil_core.desk.backtest_request import MOST_TRADERS, decimal_text
from vigil_core.errors import InvalidBacktest
from vigil_core.thinning import thinned
from vigil_resources.desk.backtest_reads import BacktestReads
from vigil_resources.desk.backtests import Backtest
from vigil_resources.desk.reads import Desk
from vigil_resources.desk.traders import Traders
from vigil_resources.metrics.explorer import Explorer
from vigil_resources.wiring import open_backtests

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]
Number = Annotated[int, Path(ge=1, lt=10**18)]

ASSETS = ("backtests", "fills", "round_trips", "trader_labels")
LISTED, SHOWN_TRADES, SHOWN_TRADERS = 50, 100, 50

NUMBERS = (
    "initial_capital_usd",
    "base_size_usd",
    "position_multiplier",
    "max_leverage",
    "min_confidence",
    "fee_bps",
    "lag_s",
    "wait_s",
    "slippage_bps",
)
_OF_SETTINGS = {"position_multiplier", "max_leverage", "min_confidence"}
_DEFAULTS = {"fee_bps": "4.5", "lag_s": "2", "wait_s": "60", "slippage_bps": "5"}
_BOUNDS_OF = {"initial_capital_usd": "paper_capital_usd"}

_DECIMALS = frozenset(
    f"{whose}{side}_px" for whose in ("", "leader_") for side in ("entry", "exit")
)

STEPS = {
    "leader_net_ex_funding": ("The leader's own net result", "realised and open, without funding"),
    "leader_fees": ("His fees", "not ours"),
    "held_before_or_transferred": ("Held before, or transferred", "no signal of the window"),
    "not_copied": ("Signals not copied", "what they made him"),
    "sizing": ("Our size instead of his", ""),
    "first_price": ("One price for an order", "he traded each row at its own"),
    "lag": ("Lag", "the market moved before our order"),
    "slippage": ("Slippage", "what our size paid beyond"),
    "fees": ("Our fees", ""),
    "funding": ("Funding", "ours"),
}
"""Steps of the bridge in words."""


@dataclass(slots=True)
class RequestForm:
    """A request as a form shows it: texts."""

    values: dict[str, str]
    slippage: str = "tape"
    require_confidence: bool = True
    require_leverage: bool = True
    error: str = ""
    field: str = ""
    """What the error is about, as the request names it."""


@router.get("/backtests")
def backtests(
    request: Request,
    reads: Reads,
    desk: Accounts,
    connection: Held,
    again: Annotated[str, Query(max_length=18)] = "",
    address: Annotated[str, Query(max_length=5_000)] = "",
    trader: Annotated[str, Query(max_length=18)] = "",
    before: Annotated[str, Query(max_length=18)] = "",
) -> Response:
    """The list, and the form: empty, or of another backtest, an address, a followed trader."""
    form = _fresh(request, reads)
    if again.isdecimal():
        form = _of_request(BacktestReads(connection).get(int(again)).request)
    if address:
        form.values |= {"traders": address.lower().replace(",", "\n"), "label": ""}
    if trader.isdecimal():
        _of_trader(form, Traders(connection), int(trader))
    return _listed(request, desk, connection, form, before=before)


@router.post("/backtests")
def ask(
    request: Request, caller: Manager, posted: Posted, desk: Accounts, connection: Held
) -> Response:
    """Enter a request, and show how it goes."""
    form = _posted(posted)
    try:
        asked = _request(form)
        number = open_backtests(writing_settings(request)).submit(asked, caller.name)
    except InvalidBacktest as error:
        form.error, form.field = f"{_named(error.field)}: {error.reason}", error.field
        return _listed(request, desk, connection, form, status=422)
    request.app.state.worker.wake()
    return see(f"/backtests/{number}")


@router.get("/backtests/{number}")
def backtest(request: Request, number: Number, connection: Held) -> Response:
    """How far it is; once it is done, what came out."""
    found = BacktestReads(connection).get(number)
    result = None if found.result is None else json.loads(found.result)
    return page(
        request,
        "backtest.html",
        part="_backtest.html",
        assets=ASSETS,
        run=found,
        form=_of_request(found.request),
        asked=found.request,
        result=result,
        bridge=_bridge(result["traders"]) if result else None,
        by_net=_by_net,
        negative=_negative,
        steps=STEPS,
        trades=_newest(result["trades"]) if result else [],
        shown_traders=SHOWN_TRADERS,
    )


@router.get("/backtests/{number}/result")
def result_file(number: Number, connection: Held) -> Response:
    """Everything that came out, as JSON: the very bytes that `result_sha256` is of."""
    found = BacktestReads(connection).get(number)
    if found.result is None:
        raise Problem("not-found", f"backtest {number} is {found.status}")
    name = f'attachment; filename="backtest-{number}.json"'
    return Response(
        found.result, media_type="application/json", headers={"Content-Disposition": name}
    )


@router.get("/charts/backtests/{number}")
def curve(number: Number, connection: Held) -> JSONResponse:
    """Equity, and the same money in BTC, day by day."""
    found = BacktestReads(connection).get(number)
    points = json.loads(found.result)["equity_curve"] if found.result else []
    kept = [points[n] for n in thinned([float(point["equity_usd"]) for point in points])]
    return JSONResponse(
        {
            "kind": "time",
            "x": [_midnight(point["date"]) for point in kept],
            "series": [
                {
                    "name": "Copying, USD",
                    "unit": "USD",
                    "values": [float(point["equity_usd"]) for point in kept],
                },
                {
                    "name": "Holding BTC, USD",
                    "unit": "USD",
                    "values": [
                        None if point["btc_usd"] is None else float(point["btc_usd"])
                        for point in kept
                    ],
                },
            ],
        }
    )


# --- forms -----------------------------------------------------------------------------------


def _fresh(request: Request, reads: Explorer) -> RequestForm:
    """The defaults, over all that is loaded."""
    bounds = request.app.state.settings.bounds
    days = reads.health_days(limit=1_000)
    until = reads.age().get("data_until")
    values = dict(_DEFAULTS) | {"traders": "", "label": "", "only": "", "but": ""}
    for name in NUMBERS:
        bound = bounds.get(_BOUNDS_OF.get(name, name))
        if bound is not None and bound.default is not None:
            values[name] = decimal_text(bound.default)
    values["end"] = "" if until is None else str(day_of(until))
    values["start"] = min((str(row["day"]) for row in days), default="")
    return RequestForm(values)


def _of_request(asked: Mapping[str, Any]) -> RequestForm:
    """A stored request, to change a parameter and run it again."""
    settings, slippage = asked["settings"], asked["slippage"]
    values = {name: str(asked[name]) for name in ("start", "end")}
    values |= {name: str(asked.get(name, settings.get(name, ""))) for name in NUMBERS}
    values["slippage_bps"] = slippage.get("bps", _DEFAULTS["slippage_bps"])
    universe = asked.get("universe")
    values["traders"] = "\n".join(asked.get("traders", ()))
    values["label"] = f"{universe['rule_set']} {universe['label']}" if universe else ""
    values["only"] = ", ".join(settings["token_whitelist"])
    values["but"] = ", ".join(settings["token_blacklist"])
    return RequestForm(
        values,
        slippage=slippage["model"],
        require_confidence=asked["require_confidence"],
        require_leverage=asked["require_leverage"],
    )


def _of_trader(form: RequestForm, traders: Traders, number: int) -> None:
    """By the settings of somebody who is followed."""
    found = traders.get(number)
    form.values |= {
        "traders": found.user_address or "",
        "label": "",
        "only": ", ".join(found.token_whitelist),
        "but": ", ".join(found.token_blacklist),
        "initial_capital_usd": decimal_text(found.paper_capital_usd),
    }
    for name in ("base_size_usd", *_OF_SETTINGS):
        form.values[name] = decimal_text(getattr(found, name))


def _posted(posted: Form) -> RequestForm:
    names = ("traders", "label", "start", "end", "only", "but", *NUMBERS)
    return RequestForm(
        {name: posted.one(name) for name in names},
        slippage=posted.one("slippage"),
        require_confidence=posted.one("require_confidence") == "1",
        require_leverage=posted.one("require_leverage") == "1",
    )


def _request(form: RequestForm) -> dict[str, Any]:
    """As the resource takes it; it says what is wrong with it."""
    given = form.values
    asked: dict[str, Any] = {"start": given["start"], "end": given["end"]}
    addresses = given["traders"].lower().replace(",", " ").split()
    if addresses:
        asked["traders"] = addresses
    if given["label"]:
        rule_set, _, label = given["label"].partition(" ")
        asked["universe"] = {"rule_set": rule_set, "label": label}
    settings: dict[str, Any] = {
        "token_whitelist": given["only"].replace(",", " ").split(),
        "token_blacklist": given["but"].replace(",", " ").split(),
    }
    for name in NUMBERS:
        text = given[name].replace(",", "").replace(" ", "")
        if name != "slippage_bps" and text:
            (settings if name in _OF_SETTINGS else asked)[name] = text
    fixed = {"model": "fixed", "bps": given["slippage_bps"]}
    return asked | {
        "settings": settings,
        "slippage": fixed if form.slippage == "fixed" else {"model": "tape"},
        "require_confidence": form.require_confidence,
        "require_leverage": form.require_leverage,
    }


def _named(field: str) -> str:
    words = {"start": "From", "end": "Until", "traders": "Whom", "universe": "Whom"}
    return words.get(field, field.removeprefix("settings.").replace("_", " ").capitalize())


def _listed(
    request: Request,
    desk: Desk,
    connection: Any,
    form: RequestForm,
    *,
    status: int = 200,
    before: str = "",
) -> Response:
    found = BacktestReads(connection).newest(
        before=int(before) if before.isdecimal() else None, limit=LISTED + 1
    )
    shown = found[:LISTED]
    classes = desk.classes()
    return page(
        request,
        "backtests.html",
        assets=ASSETS,
        status=status,
        form=form,
        rows=shown,
        whom={row.backtest_id: _whom(row) for row in shown},
        classes=classes,
        classes_known={f"{one['rule_set']} {one['trader_type']}" for one in classes},
        bounds=request.app.state.settings.bounds,
        most=MOST_TRADERS,
        first=not before,
        next_link=f"/backtests?{query_of(before=shown[-1].backtest_id)}"
        if len(found) > LISTED
        else None,
    )


def _whom(row: Backtest) -> tuple[str, ...]:
    """Whose signals a request copies: addresses, or what else in words."""
    asked = row.request
    if "universe" in asked:
        return (f"{asked['universe']['label']} by {asked['universe']['rule_set']}",)
    if "trades" in asked:
        return (f"{len(asked['trades'])} stated trades",)
    return tuple(asked["traders"])


# --- results ---------------------------------------------------------------------------------


def _bridge(traders: list[dict[str, Any]]) -> dict[str, Any]:
    """The bridges of all traders added up, and why some have none."""
    known = [one for one in traders if one.get("bridge")]
    sums: dict[str, Decimal] = {}
    missed: dict[str, Decimal] = {}
    for one in known:
        for part in one["bridge"]:
            sums[part["step"]] = sums.get(part["step"], Decimal(0)) + Decimal(part["usd"])
        for code, usd in one["not_copied_usd"].items():
            missed[code] = missed.get(code, Decimal(0)) + Decimal(usd)
    return {
        "traders": len(known),
        "without": len(traders) - len(known),
        "steps": sums,
        "missed": missed,
        "ours": sum(sums.values(), Decimal(0)),
    }


def _by_net(traders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(traders, key=lambda one: -Decimal(one["costs"]["net_pnl_usd"]))


def _negative(text: str) -> Decimal:
    return -Decimal(text)


def _newest(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    newest = sorted(trades, key=lambda one: -one["opened_at"])[:SHOWN_TRADES]
    # JSON has decimals as texts.
    return [
        {name: Decimal(one[name]) if name in _DECIMALS and one[name] else one[name] for name in one}
        for one in newest
    ]


def _midnight(text: str) -> int:
    return day_start_ms(date.fromisoformat(text))
