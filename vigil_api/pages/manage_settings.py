"""A followed trader's settings: the form, its history, and what is decided on pages of its own."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.database import Connection
from vigil_api.pages import forms
from vigil_api.pages.forms import Posted, SettingsForm
from vigil_api.pages.manage import Accounts, account_of, see
from vigil_api.pages.rendering import explorer_of, is_part, page
from vigil_api.pages.trader import ADDRESS
from vigil_api.problems import Problem
from vigil_api.routes.requests import TraderId
from vigil_api.security import Manager
from vigil_core.desk.copy_filter import base_symbol
from vigil_core.errors import Duplicate, IsArchived, NotPromotable, OutOfBounds, StaleVersion
from vigil_resources.desk.promotions import Promotions
from vigil_resources.desk.reads import Desk
from vigil_resources.desk.traders import Trader, Traders, Which
from vigil_resources.metrics.explorer import Explorer

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("paper_trades", "trader_performance", "trader_risk")
SHOWN_VERSIONS = 50
_NOT_SHOWN = {
    "updated_at", "updated_by", "effective_at", "version", "archived_at", "paper_trade_only",
    "followed_from",
}  # fmt: skip
"""Said by other columns, or by the state."""


@router.get("/manage/{id:trader}")
def settings(
    request: Request,
    which: TraderId,
    desk: Accounts,
    reads: Reads,
    saved: Annotated[str, Query(max_length=10)] = "",
    exclude: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The form with what holds now; `exclude` ticks a coin, which Save then leaves out."""
    trader = trader_of(request, which)
    form = forms.shown(trader)
    said = "Saved." if saved else ""
    if coin := exclude.strip():
        _exclude(form, coin)
        said = f"{coin} is left out below. Nothing is saved yet."
    return answer(request, desk, reads, trader, form, said=said)


@router.post("/manage/{id:trader}")
def save(
    request: Request,
    which: TraderId,
    caller: Manager,
    posted: Posted,
    desk: Accounts,
    reads: Reads,
) -> Response:
    """Save the form, or show it again with what stands in the way."""
    version = posted.number("version")
    form = forms.posted(posted)
    trader = trader_of(request, which)
    models, bounds = request.app.state.models, request.app.state.settings.bounds
    wanted = forms.settings_of(form, models, bounds)
    if wanted is None:
        if version != trader.version:
            return _conflict(request, desk, reads, trader, form)
        return answer(request, desk, reads, trader, form, status=422)
    if wanted.state == trader.state:
        wanted = replace(wanted, state=None)
    try:
        changed = write(
            request,
            lambda held: Traders(held).replace(which, version, wanted, by=caller.name),
        )
    except StaleVersion as stale:
        return _conflict(request, desk, reads, _current(stale), form)
    except Duplicate as error:
        form.errors["name"] = f"Name: {error}"
        return answer(request, desk, reads, trader, form, status=422)
    except OutOfBounds as error:
        form.errors["coins"] = str(error)
        return answer(request, desk, reads, trader, form, status=422)
    if not is_part(request):
        return see(f"/manage/{changed.trader_id}?saved=1")
    return answer(request, desk, reads, changed, forms.shown(changed), said="Saved.")


@router.get("/manage/{id:trader}/duplicate")
def duplicate_page(request: Request, which: TraderId, desk: Accounts) -> Response:
    """Asks for whom the settings are to be copied."""
    return _duplicate(request, desk, which, {})


@router.post("/manage/{id:trader}/duplicate")
def duplicate(
    request: Request, which: TraderId, caller: Manager, posted: Posted, desk: Accounts
) -> Response:
    """Copy them, and show the copy."""
    given = {"user_address": posted.one("user_address"), "name": posted.one("name")}
    address = given["user_address"].lower()
    if address and not ADDRESS.fullmatch(address):
        said = "Address: 0x and 40 hexadecimal digits, or nothing for a further variant"
        return _duplicate(request, desk, which, given, said=said)
    if len(given["name"]) > 80:
        return _duplicate(request, desk, which, given, said="Name: at most 80 characters")
    try:
        made = write(
            request,
            lambda held: Traders(held).duplicate(
                which, user_address=address or None, name=given["name"] or None, by=caller.name
            ),
        )
    except Duplicate as error:
        return _duplicate(request, desk, which, given, said=str(error))
    return see(f"/manage/{made.trader_id}")


@router.get("/manage/{id:trader}/archive")
def archive_page(request: Request, which: TraderId, desk: Accounts) -> Response:
    """Names what archiving does."""
    return _decision(request, desk, which, "archive")


@router.post("/manage/{id:trader}/archive")
def archive(
    request: Request, which: TraderId, caller: Manager, posted: Posted, desk: Accounts
) -> Response:
    """Follow no more."""
    version = posted.number("version")

    def act(held: Connection) -> Trader:
        return Traders(held).archive(which, version=version, by=caller.name)

    return _decide(request, desk, which, "archive", act)


@router.get("/manage/{id:trader}/promote")
def promote_page(request: Request, which: TraderId, desk: Accounts) -> Response:
    """Shows the record that live-readiness stands on, and what is missing in it."""
    return _decision(request, desk, which, "promote")


@router.post("/manage/{id:trader}/promote")
def promote(
    request: Request, which: TraderId, caller: Manager, posted: Posted, desk: Accounts
) -> Response:
    """Call the trader live-ready."""
    version = posted.number("version")

    def act(held: Connection) -> Trader:
        trader = Traders(held).get(which)
        return Promotions(held).promote(trader.trader_id, version, by=caller.name)

    return _decide(request, desk, which, "promote", act)


@router.post("/manage/{id:trader}/demote")
def demote(
    request: Request, which: TraderId, caller: Manager, posted: Posted, desk: Accounts
) -> Response:
    """Take live-readiness back."""
    version = posted.number("version")

    def act(held: Connection) -> Trader:
        trader = Traders(held).get(which)
        return Promotions(held).demote(trader.trader_id, version, by=caller.name)

    return _decide(request, desk, which, "promote", act)


# --- what these have in common ---------------------------------------------------------------


def trader_of(request: Request, which: Which) -> Trader:
    """On the page's connection. Raises `NotFound`."""
    return Traders(request.state.connection).get(which)


def write(request: Request, act: Callable[[Connection], Trader]) -> Trader:
    """Act in a transaction: all of it is done, or none."""
    with request.app.state.database.write() as connection:
        return act(connection)


def answer(
    request: Request,
    desk: Desk,
    reads: Explorer,
    trader: Trader,
    form: SettingsForm,
    *,
    status: int = 200,
    said: str = "",
    conflict: list[tuple[str, str, str]] | None = None,
) -> Response:
    """The page of a trader's settings, or its form alone where htmx asks."""
    bounds = request.app.state.settings.bounds
    connection: Connection = request.state.connection
    evidence = Promotions(connection).evidence(trader.trader_id)
    versions = Traders(connection).history(trader.trader_id, limit=SHOWN_VERSIONS)
    return page(
        request,
        "manage_settings.html",
        part="_settings.html",
        status=status,
        assets=ASSETS,
        trader=trader,
        row=account_of(desk, trader.trader_id),
        form=form,
        bounds=bounds,
        errors=form.errors,
        said=said,
        conflict=conflict or [],
        changed_by=trader.updated_by,
        action=f"/manage/{trader.trader_id}",
        age_until=reads.age().get("data_until"),
        coins=coin_choices(reads, trader.user_address, form),
        levels=levels_of(desk, trader.trader_id),
        evidence=evidence,
        versions=[(one, _changes(one.old_values, one.new_values, bounds)) for one in versions],
    )


def coin_choices(
    reads: Explorer, address: str | None, form: SettingsForm
) -> list[tuple[str, str, bool]]:
    """Coins to tick, with whose they are and whether they are: ticked, the leader's, all traded."""
    ticked = {base_symbol(coin) for coin in form.coins}
    published = next(iter(reads.compared([address])), None) if address else None
    found: dict[str, tuple[str, str, bool]] = {}
    his = published["coins"] if published else []
    everything = [(coin, "") for coin in form.coins]
    everything += [(coin, "his") for coin in his]
    everything += [(row["coin"], "") for row in reads.coins()]
    for coin, whose in everything:
        key = base_symbol(coin)
        if key not in found:
            found[key] = (coin, "his" if coin in his else whose, key in ticked)
    return sorted(found.values(), key=lambda one: (not one[2], one[1] != "his"))


def levels_of(desk: Desk, trader_id: int) -> str:
    """Leverage and confidence of the last openings, for the sliders to say what they let pass."""
    rows = desk.levels(trader_id)
    return json.dumps(
        {name: [row[name] for row in rows] for name in ("leverage", "confidence")},
        separators=(",", ":"),
    )


def _current(stale: StaleVersion) -> Trader:
    assert isinstance(stale.current, Trader)
    return stale.current


def _conflict(
    request: Request, desk: Desk, reads: Explorer, current: Trader, mine: SettingsForm
) -> Response:
    """What somebody else saved meanwhile, with what was about to be saved beside it."""
    theirs = forms.shown(current)
    bounds = request.app.state.settings.bounds
    return answer(
        request,
        desk,
        reads,
        current,
        theirs,
        status=409,
        conflict=forms.differences(mine, theirs, bounds) or [("Everything else", "same", "same")],
    )


def _exclude(form: SettingsForm, coin: str) -> None:
    """Leave a coin out, in whichever mode the list is."""
    key = base_symbol(coin)
    rest = [one for one in form.coins if base_symbol(one) != key]
    if form.coin_mode == "only":
        form.coins = rest
    else:
        form.coin_mode, form.coins = "but", [*rest, coin]


def _changes(
    old: dict[str, Any] | None, new: dict[str, Any], bounds: Any
) -> list[tuple[str, str, str]]:
    if old is None:
        return []
    return [
        (forms.label_of(name, bounds), forms.said(old.get(name)), forms.said(value))
        for name, value in new.items()
        if name not in _NOT_SHOWN
    ]


def _duplicate(
    request: Request, desk: Desk, which: Which, given: dict[str, str], said: str = ""
) -> Response:
    trader = trader_of(request, which)
    return page(
        request,
        "manage_duplicate.html",
        assets=ASSETS,
        status=422 if said else 200,
        row=account_of(desk, trader.trader_id),
        given=given,
        said=said,
    )


def _decision(
    request: Request, desk: Desk, which: Which, what: str, *, said: str = "", status: int = 200
) -> Response:
    trader = trader_of(request, which)
    promotions = Promotions(request.state.connection)
    evidence = promotions.evidence(trader.trader_id)
    decisions = promotions.decisions(trader.trader_id)
    return page(
        request,
        f"manage_{what}.html",
        assets=ASSETS,
        status=status,
        row=account_of(desk, trader.trader_id),
        trader=trader,
        evidence=evidence,
        decisions=decisions,
        said=said,
    )


def _decide(
    request: Request, desk: Desk, which: Which, what: str, act: Callable[[Connection], Trader]
) -> Response:
    try:
        trader = write(request, act)
    except StaleVersion as stale:
        said = (
            f"{_current(stale).updated_by} changed the settings meanwhile: look again, then decide."
        )
        return _decision(request, desk, which, what, said=said, status=409)
    except NotPromotable as refused:
        return _decision(request, desk, which, what, said=str(refused), status=409)
    except IsArchived as error:
        raise Problem("archived", str(error)) from error
    return see(f"/manage#trader-{trader.trader_id}")
