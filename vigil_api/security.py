"""Who calls, and what he may do.

A bearer token is a key of ours, or VIGIL_API_TOKEN. A browser has a session for a key. Whoever
calls from this machine without either may read; and write, as long as no VIGIL_API_TOKEN is set.
"""

import ipaddress
import secrets
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import Request

from vigil_api.database import Database
from vigil_api.problems import Problem
from vigil_resources.api_keys import SCOPES, ApiKeys, KeyOwner

COOKIE = "vigil_session"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom a request stands for."""

    name: str
    """As histories show it: `key abcd1234 (label)`, `token`, `local`."""
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether a scope is held; the higher ones hold those below."""
        return any(scope in SCOPES[: SCOPES.index(held) + 1] for held in self.scopes)


def is_local(request: Request) -> bool:
    """Whether a process of this machine asks for itself: what a proxy hands on is not local."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    return is_loopback(request.client.host)


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, means this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_foreign_host(request: Request, names: frozenset[str]) -> None:
    """Raises `Problem` for a Host that is not ours: DNS can point any name at this machine."""
    given = request.headers.get("host", "")
    try:
        name = (urlsplit(f"//{given}").hostname or "").lower()
    except ValueError:
        name = ""
    if name not in names:
        raise Problem("unknown-host", "the Host header names another server")


def refuse_other_sites(request: Request) -> None:
    """Raises `Problem` for a write that a browser sends on behalf of another site's page."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        ours = site in {"same-origin", "none"}
    else:
        ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not ours:
        raise Problem("cross-site", "the request comes from a page of another site")


def caller_of(request: Request) -> Caller:
    """Who calls.

    Raises:
        Problem: A key or token was sent that is no good, or none from elsewhere.
    """
    caller = _caller(request)
    request.state.caller = caller.name
    return caller


def _caller(request: Request) -> Caller:
    app = request.app.state
    token: str | None = app.settings.api_token
    given = request.headers.get("authorization")
    if given is not None:
        scheme, _, credential = given.partition(" ")
        if scheme.lower() != "bearer":
            raise _no_key("only Bearer is understood")
        return _bearer(app.database, credential.strip(), token)
    if session := request.cookies.get(COOKIE):
        with app.database.read() as connection:
            owner = ApiKeys(connection).session_owner(session)
        if owner is not None:
            return _key_caller(owner)
    if is_local(request):
        return Caller(name="local", scopes=frozenset({"read"} if token else SCOPES))
    raise _no_key("callers from elsewhere need a key")


def _bearer(database: Database, credential: str, token: str | None) -> Caller:
    if token is not None and secrets.compare_digest(credential.encode(), token.encode()):
        return Caller(name="token", scopes=frozenset(SCOPES))
    with database.read() as connection:
        found = ApiKeys(connection).owner(credential)
    if found is None:
        raise _no_key("the key is unknown, expired or revoked")
    owner, is_noted = found
    if not is_noted:
        with database.write() as connection:
            ApiKeys(connection).note_use(owner.key_id)
    return _key_caller(owner)


def _key_caller(owner: KeyOwner) -> Caller:
    return Caller(name=f"key {owner.key_id} ({owner.label})", scopes=owner.scopes)


def _no_key(detail: str) -> Problem:
    return Problem("no-key", detail, {"WWW-Authenticate": 'Bearer realm="vigil"'})


class _Needs:
    """A dependency that lets pass who has the scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def __call__(self, caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if caller.may(self.scope):
            return caller
        if caller.name == "local":
            raise _no_key("VIGIL_API_TOKEN is set: writes need it, or a key")
        raise Problem("lacks-scope", f"the scope {self.scope} is needed")


Reader = Annotated[Caller, Depends(_Needs("read"))]
"""Whoever may read."""

Manager = Annotated[Caller, Depends(_Needs("manage"))]
"""Whoever may change what is followed, and how."""
