"""`/api/traders`: whom we follow, and how."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response

from vigil_api.cursors import Pages
from vigil_api.database import Connection
from vigil_api.etags import MaybeVersion, Version, is_known
from vigil_api.idempotency import Answer, IdempotencyKey, MaybeIdempotencyKey, once
from vigil_api.problems import answers
from vigil_api.routes.requests import Reading, TraderId, Writing, takes
from vigil_api.schemas import (
    AlertsIn,
    DuplicateIn,
    Models,
    MultiplierIn,
    Page,
    SettingsIn,
    SettingsVersionOut,
    SwitchIn,
    TokensIn,
    TraderIn,
    TraderOut,
    versioned,
)
from vigil_api.security import Manager, Reader
from vigil_api.values import COIN_PATTERN, LINE_PATTERN
from vigil_core.desk.parameters import STATES
from vigil_resources.desk.traders import SORTS, Origin, Sort, Trader, TraderFilter, Traders

_KEY_TYPES: dict[Sort, type] = {"priority": int, "name": str, "created": int, "updated": int}
_MADE: dict[int | str, dict[str, Any]] = {
    201: {
        "model": TraderOut,
        "description": "The new trader",
        "headers": {name: {"schema": {"type": "string"}} for name in ("Location", "ETag")},
    }
}


def router(models: Models) -> APIRouter:
    """The routes, with the bounds of an application."""
    api = APIRouter(prefix="/api/traders", tags=["traders"])

    @api.get("")
    def list_traders(
        pages: Pages,
        _: Reader,
        connection: Reading,
        state: Literal[STATES] | None = None,  # type: ignore[valid-type]
        active: bool | None = None,
        trader_type: Annotated[
            str | None, Query(alias="class", pattern="^[A-Z_]{1,40}$", description="Of the profile")
        ] = None,
        coin: Annotated[str | None, Query(pattern=COIN_PATTERN, description="Traded")] = None,
        q: Annotated[
            str | None,
            Query(pattern=LINE_PATTERN, max_length=80, description="Part of name or address"),
        ] = None,
        sort: Sort = "priority",
    ) -> Page[TraderOut]:
        """Whom we follow; archived ones with `state=archived` only."""
        wanted = TraderFilter(state, active, trader_type, coin, q)
        name = f"traders by {sort}"
        after: Any = pages.after(name, _KEY_TYPES[sort], int)
        found = Traders(connection).page(wanted, sort=sort, after=after, limit=pages.fetched)
        column = SORTS[sort][0]
        return pages.page(
            name, found, TraderOut.of, lambda row: (getattr(row, column), row.trader_id)
        )

    @api.post("", status_code=201, responses=_MADE | answers(400, 409))
    @takes(models.trader)
    def add_trader(
        request: Request, caller: Manager, key: IdempotencyKey, body: TraderIn
    ) -> Response:
        """Follow a further trader: switched off, and evaluated first."""

        def add(connection: Connection) -> Answer:
            origin = Origin(
                user_address=body.user_address, source=body.source, source_ref=body.source_ref
            )
            return _made(Traders(connection).add(origin, body.settings(), by=caller.name))

        return once(request, caller.name, key, add)

    @api.get("/{id:trader}", response_model=TraderOut, responses=answers(404) | _UNCHANGED)
    def get_trader(
        which: TraderId,
        response: Response,
        _: Reader,
        connection: Reading,
        if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
    ) -> TraderOut | Response:
        """One trader, with the settings in force."""
        trader = Traders(connection).get(which)
        if is_known(trader, if_none_match):
            return Response(status_code=304, headers=versioned(trader))
        return _shown(trader, response)

    @api.put("/{id:trader}", response_model=TraderOut, responses=_CHANGE)
    @takes(models.settings)
    def replace_settings(
        which: TraderId,
        response: Response,
        caller: Manager,
        asked: Version,
        connection: Writing,
        body: SettingsIn,
    ) -> TraderOut:
        """Set all that may be set."""
        traders = Traders(connection)
        version = asked.version_of(traders.get(which))
        settings = body.settings()
        return _shown(traders.replace(which, version, settings, by=caller.name), response)

    @api.delete("/{id:trader}", status_code=204, responses=_CHANGE)
    def delete_trader(
        which: TraderId, caller: Manager, asked: Version, connection: Writing
    ) -> Response:
        """Follow no more. Everything that was stays readable, by the id."""
        traders = Traders(connection)
        traders.archive(which, version=asked.version_of(traders.get(which)), by=caller.name)
        return Response(status_code=204)

    @api.post("/{id:trader}/archive", response_model=TraderOut, responses=_ACT)
    def archive_trader(
        which: TraderId,
        response: Response,
        caller: Manager,
        asked: MaybeVersion,
        connection: Writing,
    ) -> TraderOut:
        """Follow no more, and show what it is now."""
        traders = Traders(connection)
        version = None if asked is None else asked.version_of(traders.get(which))
        return _shown(traders.archive(which, version=version, by=caller.name), response)

    @api.post("/{id:trader}/toggle", response_model=TraderOut, responses=_ACT)
    def toggle_trader(
        which: TraderId,
        response: Response,
        caller: Manager,
        asked: MaybeVersion,
        connection: Writing,
        body: SwitchIn | None = None,
    ) -> TraderOut:
        """Switch on or off. Off gets no new copies; what is open follows its leader to the end."""
        traders = Traders(connection)
        version = None if asked is None else asked.version_of(traders.get(which))
        active = None if body is None else body.active
        return _shown(traders.switch(which, active, version=version, by=caller.name), response)

    @api.post("/{id:trader}/duplicate", status_code=201, responses=_MADE | answers(400, 404, 409))
    def duplicate_trader(
        request: Request,
        which: TraderId,
        caller: Manager,
        key: MaybeIdempotencyKey,
        body: DuplicateIn | None = None,
    ) -> Response:
        """The same settings for another address, or as a further variant of the same."""
        asked = body or DuplicateIn()

        def duplicate(connection: Connection) -> Answer:
            made = Traders(connection).duplicate(
                which, user_address=asked.user_address, name=asked.name, by=caller.name
            )
            return _made(made)

        return once(request, caller.name, key, duplicate)

    @api.put("/{id:trader}/multiplier", response_model=TraderOut, responses=_CHANGE)
    @takes(models.multiplier)
    def set_multiplier(
        which: TraderId,
        response: Response,
        caller: Manager,
        asked: Version,
        connection: Writing,
        body: MultiplierIn,
    ) -> TraderOut:
        """Set the size of positions."""
        traders = Traders(connection)
        version = asked.version_of(traders.get(which))
        multiplier = body.position_multiplier
        return _shown(traders.set_multiplier(which, version, multiplier, by=caller.name), response)

    @api.put("/{id:trader}/tokens", response_model=TraderOut, responses=_CHANGE)
    def set_tokens(
        which: TraderId,
        response: Response,
        caller: Manager,
        asked: Version,
        connection: Writing,
        body: TokensIn,
    ) -> TraderOut:
        """Set which coins are copied."""
        body.refuse_contradiction()
        traders = Traders(connection)
        version = asked.version_of(traders.get(which))
        lists = {"whitelist": body.token_whitelist, "blacklist": body.token_blacklist}
        return _shown(traders.set_tokens(which, version, **lists, by=caller.name), response)

    @api.put("/{id:trader}/alerts", response_model=TraderOut, responses=_CHANGE)
    @takes(models.alerts)
    def set_alerts(
        which: TraderId,
        response: Response,
        caller: Manager,
        asked: Version,
        connection: Writing,
        body: AlertsIn,
    ) -> TraderOut:
        """Set what is to be reported of the copied account."""
        traders = Traders(connection)
        version = asked.version_of(traders.get(which))
        alerts = body.model_dump()
        return _shown(traders.set_alerts(which, version, **alerts, by=caller.name), response)

    @api.get("/{id:trader}/history", responses=answers(404))
    def list_versions(
        pages: Pages, which: TraderId, _: Reader, connection: Reading
    ) -> Page[SettingsVersionOut]:
        """Every version of the settings, newest first: what changed, when, and by whom."""
        name = f"history of {which}"
        before = pages.after(name, int)
        found = Traders(connection).history(
            which, before=before[0] if before else None, limit=pages.fetched
        )
        return pages.page(name, found, SettingsVersionOut.of, lambda row: (row.version,))

    return api


_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "You have this version"}}
_CHANGE = answers(404, 409, 412, 428)
_ACT = answers(404, 409, 412)


def _shown(trader: Trader, response: Response) -> TraderOut:
    response.headers.update(versioned(trader))
    return TraderOut.of(trader)


def _made(trader: Trader) -> Answer:
    headers = {"Location": f"/api/traders/{trader.trader_id}"} | versioned(trader)
    return Answer(status=201, headers=headers, body=TraderOut.of(trader).model_dump_json())
