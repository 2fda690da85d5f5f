"""Follow somebody: by address or without one, from a leaderboard or a chat, the best of a class."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.database import Connection
from vigil_api.pages import forms
from vigil_api.pages.forms import Posted, SettingsForm
from vigil_api.pages.manage import Accounts, see
from vigil_api.pages.manage_settings import coin_choices, write
from vigil_api.pages.rendering import Held, explorer_of, page, query_of
from vigil_api.pages.trader import ADDRESS
from vigil_api.problems import Problem
from vigil_api.routes.requests import writing_settings
from vigil_api.security import Manager
from vigil_core.desk.chat_messages import UnreadableExport
from vigil_core.desk.leaderboard import UnreadableLeaderboard
from vigil_core.desk.parameters import SOURCES
from vigil_core.errors import Duplicate, OutOfBounds
from vigil_resources.desk.reads import RANKED_BY, Desk
from vigil_resources.desk.traders import Origin, Trader, Traders, default_settings
from vigil_resources.metrics.explorer import Explorer
from vigil_resources.metrics.published import OURS
from vigil_resources.wiring import open_chats, open_leaderboards

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("published_traders", "trader_labels")
ENTRIES = 100
KINDS = ("leaderboard", "telegram")
_WHERE_FOUND = {
    "address": "by address",
    "leaderboard": "on a leaderboard",
    "telegram": "a chat",
    "manual": "by hand",
    "label": "by a label",
}


@router.get("/manage/add")
def add_page(
    request: Request,
    desk: Accounts,
    reads: Reads,
    address: Annotated[str, Query(max_length=42)] = "",
    name: Annotated[str, Query(max_length=80)] = "",
    source: Annotated[str, Query(max_length=20)] = "",
    ref: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The form of a new trader, and where traders are found."""
    form = forms.shown(replace(default_settings(name.strip()), state="paper"))
    given = {
        "user_address": address.strip().lower(),
        "source": source if source in SOURCES else "address" if address else "manual",
        "source_ref": ref.strip(),
        "active": "1",
    }
    if given["user_address"] and not name:
        short = given["user_address"]
        form.values["name"] = f"{short[:6]}…{short[-4:]}" if len(short) == 42 else ""
    return _add(request, desk, reads, form, given)


@router.post("/manage/add")
def add(
    request: Request, caller: Manager, posted: Posted, desk: Accounts, reads: Reads
) -> Response:
    """Follow, or show the form again with what stands in the way."""
    form = forms.posted(posted)
    given = {name: posted.one(name) for name in ("user_address", "source", "source_ref", "active")}
    given["user_address"] = given["user_address"].lower()
    address = given["user_address"] or None
    if address and not ADDRESS.fullmatch(address):
        form.errors["user_address"] = "Address: 0x and 40 hexadecimal digits, or nothing"
    if given["source"] not in SOURCES:
        form.errors["source"] = "Found: choose one"
    if address is None and given["source"] in {"address", "leaderboard", "label"}:
        form.errors["user_address"] = f"Address: needed for {given['source']}"
    if len(given["source_ref"]) > 200:
        form.errors["source_ref"] = "Where exactly: at most 200 characters"
    models, bounds = request.app.state.models, request.app.state.settings.bounds
    wanted = forms.settings_of(form, models, bounds)
    if wanted is None:
        return _add(request, desk, reads, form, given, status=422)
    origin = Origin(user_address=address, source=given["source"], source_ref=given["source_ref"])

    def act(held: Connection) -> Trader:
        traders = Traders(held)
        made = traders.add(origin, wanted, by=caller.name)
        if given["active"] != "1":
            return made
        return traders.switch(made.trader_id, True, by=caller.name)

    try:
        made = write(request, act)
    except Duplicate as error:
        form.errors["user_address"] = f"{error}. A further variant is made by Duplicate"
        return _add(request, desk, reads, form, given, status=409)
    except OutOfBounds as error:
        form.errors["coins"] = str(error)
        return _add(request, desk, reads, form, given, status=422)
    if made.source == "telegram":
        # Messages that were brought before somebody followed their chat.
        open_chats(writing_settings(request)).follow_up()
    return see(f"/manage#trader-{made.trader_id}")


@router.get("/manage/ranking")
def ranking(
    request: Request,
    desk: Accounts,
    rule_set: Annotated[str, Query(max_length=40)] = "",
    type_: Annotated[str, Query(alias="type", max_length=40)] = "",
    by: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The best of a class, by one of our own figures."""
    classes = desk.classes()
    rule_sets = list(dict.fromkeys(row["rule_set"] for row in classes))
    chosen = rule_set if rule_set in rule_sets else OURS if OURS in rule_sets else ""
    types = [row for row in classes if row["rule_set"] == (chosen or None)]
    names = [row["trader_type"] for row in types]
    smart = "SMART_DIRECTIONAL"
    kind = type_ if type_ in names else smart if smart in names else next(iter(names), "")
    order = by if by in RANKED_BY else RANKED_BY[0]
    return page(
        request,
        "manage_ranking.html",
        part="_ranking.html",
        assets=ASSETS,
        rule_sets=rule_sets,
        rule_set=chosen,
        types=types,
        kind=kind,
        by=order,
        orders=RANKED_BY,
        rows=desk.ranking(chosen, kind, order) if kind else [],
    )


@router.post("/manage/imports")
async def bring(request: Request, caller: Manager, _: Held) -> Response:
    """Take an exported leaderboard, or chat, and show what became of it."""
    try:
        # The body is read here, after it is known who sends it.
        async with request.form(max_files=1, max_fields=2) as form:
            file, kind = form.get("file"), form.get("kind")
            if not isinstance(file, UploadFile) or not file.filename or kind not in KINDS:
                raise Problem("bad-request", "choose a file, and say what it is")
            content = await file.read()
            file_name = file.filename[-200:]
    except HTTPException as error:
        raise Problem("bad-request", "the form cannot be read") from error
    return await run_in_threadpool(_take, request, str(kind), file_name, content, caller.name)


def _take(request: Request, kind: str, file_name: str, content: bytes, by: str) -> Response:
    settings = writing_settings(request)
    try:
        if kind == "leaderboard":
            board = open_leaderboards(settings).import_file(file_name, content, by)
            return see(f"/manage/imports/{board.import_id}")
        chat = open_chats(settings).import_export(file_name, content, by)
    except (UnreadableLeaderboard, UnreadableExport) as error:
        return page(
            request,
            "manage_import_failed.html",
            assets=(),
            status=422,
            file_name=file_name,
            reason=str(error),
        )
    return page(request, "manage_chat.html", assets=(), chat=chat)


@router.get("/manage/imports/{number}")
def imported(
    request: Request,
    desk: Accounts,
    number: int,
    after: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """The lines of a leaderboard, beside our own figures of the same addresses."""
    found = desk.imported(number) if 0 < number < 10**18 else None
    if found is None or found["kind"] != "leaderboard":
        raise Problem("not-found", f"no leaderboard was imported by the number {number}")
    boards = open_leaderboards(writing_settings(request))
    rows = boards.entries(number, after=after, most=ENTRIES + 1)
    shown = [row | {"claims": _claims(row["figures"])} for row in rows[:ENTRIES]]
    return page(
        request,
        "manage_import.html",
        assets=ASSETS,
        found=found,
        rows=shown,
        first=after == 0,
        next_link=f"/manage/imports/{number}?after={shown[-1]['n']}"
        if len(rows) > ENTRIES
        else None,
    )


def _claims(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """What a board says of a trader, nested parts with the path to them."""
    found: list[tuple[str, str]] = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                walk(f"{name} {key}".strip(), part)
        elif isinstance(value, list):
            # As the exchange writes windows: [name, {figures}].
            if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
                walk(f"{name} {value[0]}".strip(), value[1])
            else:
                for part in value:
                    walk(name, part)
        elif value not in (None, ""):
            found.append((name, str(value)))

    walk("", figures)
    return found


def _add(
    request: Request,
    desk: Desk,
    reads: Explorer,
    form: SettingsForm,
    given: dict[str, str],
    status: int = 200,
) -> Response:
    address = given["user_address"]
    known = reads.compared([address]) if ADDRESS.fullmatch(address) else []
    return page(
        request,
        "manage_add.html",
        assets=ASSETS,
        status=status,
        trader=None,
        form=form,
        given=given,
        known=known[0] if known else None,
        errors=form.errors,
        bounds=request.app.state.settings.bounds,
        coins=coin_choices(reads, address or None, form),
        levels="{}",
        where_found=_WHERE_FOUND,
        imports=desk.imports(),
        chats=desk.chats(),
        classes=desk.classes(),
        link=lambda **values: f"/manage/add?{query_of(**values)}",
    )
