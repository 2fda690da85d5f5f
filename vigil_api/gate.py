"""What every request passes, and every answer carries, before and after the routes.

Outside of everything else: whatever happens within becomes an answer, with a request id, a line in
the log and the headers that browsers are to obey.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from vigil_api import handlers
from vigil_api.limits import Buckets, Limits, limited, replayed, whole_body
from vigil_api.problems import Problem
from vigil_api.security import is_local, refuse_foreign_host, refuse_other_sites
from vigil_resources.logs import fields

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_SAFE = {"GET", "HEAD", "OPTIONS"}
_UPLOADS = {"/manage/imports"}
"""Paths whose routes read their bodies themselves, once it is known who sends them."""

Answered = Callable[[str, str | None, int | None, float], None]
"""Told of each request: method, template of its route, status, seconds."""

_access = logging.getLogger("vigil.access")


class Gate:
    """ASGI around the application.

    Args:
        app: The routes.
        names: Host names that this server answers to, lower case.
        limits: What a caller may ask for.
        answered: Told of each request when it is over.
    """

    def __init__(
        self, app: FastAPI, *, names: frozenset[str], limits: Limits, answered: Answered
    ) -> None:
        self._answered = answered
        self._app = app
        self._names = names
        self._limits = limits
        self._buckets = Buckets(limits.burst_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = secrets.token_hex(8)
        scope.setdefault("state", {})
        scope["app"] = self._app
        answered = _Answer(scope, send)
        try:
            await self._pass(scope, receive, answered)
        except Exception as error:
            # Once an answer has begun, it was answered as unexpected, and logged, already.
            if answered.status is None:
                request = Request(scope)
                response = handlers.respond(request, handlers.unexpected(request, error))
                await response(scope, receive, answered)
        finally:
            answered.log()
            self._answered(scope["method"], answered.route, answered.status, answered.seconds)

    async def _pass(self, scope: Scope, receive: Receive, send: "_Answer") -> None:
        request = Request(scope)
        try:
            refuse_foreign_host(request, self._names)
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                # The database holds none, and is asked for whatever stands there.
                raise Problem("bad-request", "a NUL stands in the address")
            local = is_local(request)
            host = request.client.host if request.client else ""
            # Who comes by way of a proxy of this machine takes nothing from who is here.
            caller = host if local else f"{host} elsewhere"
            rate = self._limits.local_rate if local else self._limits.rate
            self._buckets.take(caller, rate)
            if scope["method"] not in _SAFE:
                refuse_other_sites(request)
            announced = request.headers.get("content-length")
            if scope["method"] == "POST" and scope["path"] in _UPLOADS:
                await self._route(
                    scope, limited(receive, announced, self._limits.upload_seconds), send
                )
                return
            body = await whole_body(receive, announced, self._limits.body_seconds)
        except Problem as problem:
            await handlers.respond(request, problem)(scope, receive, send)
            return
        scope["body"] = body
        if scope["method"] == "OPTIONS" and (methods := handlers.methods_of(request)):
            await Response(status_code=204, headers={"Allow": ", ".join(methods)})(
                scope, receive, send
            )
            return
        # A route that answers GET answers HEAD: the server leaves the body out.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._route({**scope, "method": method}, replayed(body, receive), send)

    async def _route(self, scope: Scope, receive: Receive, send: "_Answer") -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            # The routers leave in the scope which route it was.
            send.route = getattr(scope.get("route"), "path", None)


class _Answer:
    """Sends with our headers, and remembers what was said."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.status: int | None = None
        self.route: str | None = None
        """Template of the path; None where no route took it."""
        self._scope = scope
        self._send = send
        self._begun = time.monotonic()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            headers["X-Request-Id"] = self._scope["request_id"]
        await self._send(message)

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self._begun

    def log(self) -> None:
        """One line. No query and no header: either may hold a secret."""
        method, path = self._scope["method"], self._scope["path"]
        said = fields(
            request_id=self._scope["request_id"],
            method=method,
            path=path,
            route=self.route,
            status=self.status,
            ms=round(self.seconds * 1000, 1),
            caller=self._scope["state"].get("caller"),
        )
        _access.info("%s %s %s", method, path, self.status, extra=said)
