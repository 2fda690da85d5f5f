"""From a template to an answer: what every page has in common."""

import gzip
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.database import Connection
from vigil_api.pages import drawings, labels, numbers, outcomes
from vigil_api.pages.assets import static_url
from vigil_resources.metrics.explorer import Explorer

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"

NAVIGATION = (
    ("/", "Overview"),
    ("/traders", "Traders"),
    ("/manage", "Manage"),
    ("/compare", "Compare"),
    ("/backtests", "Backtests"),
    ("/liquidations", "Liquidations"),
    ("/smart-money", "Smart money"),
    ("/health", "Health"),
    ("/audit", "Audit"),
)
THEMES = frozenset({"light", "dark"})

_GZIP_LEVEL = 5


class _Environment(Environment):
    """Looks into a dictionary, as rows are, before it looks at what dictionaries can do."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@cache
def environment() -> Environment:
    """Templates and what they may call; a name that is not given is an error."""
    made = _Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    for name in (
        "money",
        "count",
        "quantity",
        "plain",
        "ratio",
        "percent",
        "bps",
        "duration",
        "day",
        "last_day",
        "moment",
        "clock",
        "short_address",
        "words",
    ):
        made.filters[name] = getattr(numbers, name)
    for name in ("address", "chip", "coins", "follow"):
        made.filters[name] = getattr(labels, name)
    made.globals |= {
        "interval": numbers.interval,
        "undefined": numbers.undefined,
        "sparkline": drawings.sparkline,
        "bar": drawings.bar,
        "lean": drawings.lean,
        "static": static_url,
        "navigation": NAVIGATION,
        "alert_words": outcomes.ALERTS,
        "outcome": outcomes.outcome,
        "not_read": outcomes.not_read,
        "accepted": outcomes.ACCEPTED,
    }
    return made


def explorer_of(request: Request) -> Iterator[Explorer]:
    """The read side, on one connection for the whole page."""
    with request.app.state.database.read() as connection:
        reads = Explorer(lambda: nullcontext(connection))
        request.state.explorer, request.state.connection = reads, connection
        yield reads


def connection_of(request: Request, _: Annotated[Explorer, Depends(explorer_of)]) -> Connection:
    """The same connection, for what reads by other names."""
    connection: Connection = request.state.connection
    return connection


Held = Annotated[Connection, Depends(connection_of)]


def is_part(request: Request) -> bool:
    """Whether a fragment is asked for: by htmx, which is not going back in its history."""
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def page(
    request: Request,
    template: str,
    *,
    assets: tuple[str, ...],
    part: str | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page, or, where htmx asks and there is one, the part of it that is swapped.

    `assets` are the Dagster assets that the page shows, and links to; `part` is the template of
    the part, `values` are what both print.
    """
    as_part = part is not None and is_part(request)
    context = values if as_part else {**_shell(request, assets), **values}
    context["as_part"] = as_part
    text = environment().get_template(part if as_part and part else template).render(context)
    return _html(request, text, status, headers)


def bare_page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page that asks the database for nothing, because it may be away."""
    context = {**_frame(request), "assets": (), "age": None, "as_part": False, **values}
    return _html(request, environment().get_template(template).render(context), status, headers)


def part(request: Request, template: str, **values: Any) -> Response:
    """A fragment that is never a page."""
    return _html(request, environment().get_template(template).render(values), 200, None)


def query_of(**given: Any) -> str:
    """A query string of what is given, without what is not."""
    return urlencode({name: value for name, value in given.items() if value not in (None, "")})


def _shell(request: Request, assets: tuple[str, ...]) -> dict[str, Any]:
    return {**_frame(request), "assets": assets, "age": request.state.explorer.age()}


def _frame(request: Request) -> dict[str, Any]:
    theme = request.cookies.get("theme", "")
    return {
        "path": request.url.path,
        "theme": theme if theme in THEMES else "",
        "dagster_url": request.app.state.settings.dagster_url,
        "now": int(time.time() * 1000),
    }


def _html(request: Request, text: str, status: int, headers: dict[str, str] | None) -> Response:
    # Lines of a template that said nothing.
    body = re.sub(r"\n\s*\n+", "\n", text).encode()
    sent = {"Vary": "HX-Request, Accept-Encoding, Cookie", "Cache-Control": "no-store"}
    sent |= headers or {}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, status, sent, media_type="text/html")
