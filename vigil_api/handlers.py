"""Which exception becomes which problem."""

import logging
from typing import Any

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from vigil_api import pages
from vigil_api.problems import RETRY_SECONDS, Problem, answer
from vigil_core.errors import (
    BacktestMissing,
    Duplicate,
    InvalidBacktest,
    IsArchived,
    NotFound,
    NotPromotable,
    OutOfBounds,
    ServerNotRunning,
    StaleVersion,
)
from vigil_resources.desk.traders import Trader

_log = logging.getLogger("vigil.api")


def install(app: FastAPI) -> None:
    """Teach an application what its routes raise."""
    for error, problem_of in _PROBLEMS.items():
        app.add_exception_handler(error, _handler(problem_of))


def respond(request: Request, problem: Problem) -> Response:
    """A page where a person is looking, else problem+json."""
    return pages.error_page(request, problem) or answer(request, problem)


def _handler(problem_of: Any) -> Any:
    def handle(request: Request, error: Exception) -> Response:
        return respond(request, problem_of(request, error))

    return handle


def _http(request: Request, error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem("not-found", "no page and no route has this path")
    if error.status_code == 405:
        allowed = ", ".join(methods_of(request))
        return Problem("method-not-allowed", f"the path takes {allowed}", {"Allow": allowed})
    return Problem("bad-request", "the request could not be parsed")


def methods_of(request: Request) -> list[str]:
    """All methods of the request's path; Starlette itself names those of the first route only."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods | {"OPTIONS"}) if methods else []


def _invalid(_: Request, error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(part["type"] == "json_invalid" for part in found):
        return Problem("not-json", "the body could not be parsed as JSON")
    # Neither the offending value nor the validator's context: either may hold a secret.
    errors = [{"loc": [_part(p) for p in part["loc"]], "msg": part["msg"]} for part in found]
    return Problem("invalid", f"{len(errors)} values do not fit", more={"errors": errors})


def _part(part: Any) -> str | int:
    return part if isinstance(part, int) else str(part)


def _stale(_: Request, error: StaleVersion) -> Problem:
    current = error.current
    assert isinstance(current, Trader)
    etag = f'"{current.trader_id}-{current.version}"'
    return Problem("stale-version", str(error), {"ETag": etag})


def unexpected(request: Request, error: Exception) -> Problem:
    """For what nobody thought of: the log has all of it, by the request's id."""
    _log.error("request %s", request.scope["request_id"], exc_info=error)
    return Problem("unexpected", "nothing is known of whether it was carried out")


def _away(_: Request, error: Exception) -> Problem:
    # The message may name host and user: it is for the log.
    _log.warning("database: %s", error)
    detail = "the request was not carried out, or not answered; it may be repeated"
    return Problem("database-away", detail, {"Retry-After": str(RETRY_SECONDS)})


_PROBLEMS: dict[type[Exception], Any] = {
    Problem: lambda _, problem: problem,
    HTTPException: _http,
    RequestValidationError: _invalid,
    NotFound: lambda _, error: Problem("not-found", str(error)),
    StaleVersion: _stale,
    Duplicate: lambda _, error: Problem("duplicate", str(error)),
    IsArchived: lambda _, error: Problem("archived", str(error)),
    NotPromotable: lambda _, error: Problem("not-promotable", str(error)),
    BacktestMissing: lambda _, error: Problem("not-found", str(error)),
    InvalidBacktest: lambda _, error: Problem("contradiction", str(error)),
    OutOfBounds: lambda _, error: Problem("out-of-bounds", str(error)),
    ServerNotRunning: _away,
    psycopg.OperationalError: _away,
    psycopg.InterfaceError: _away,
    Exception: lambda request, error: unexpected(request, error),
}
