"""What can go wrong, as RFC 9457 has it: one kind a slug, each with a page that explains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

RETRY_SECONDS = 5
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    status: int
    title: str
    help: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "not-json": Kind(400, "The body is not JSON", "Send one JSON value as UTF-8."),
        "bad-cursor": Kind(
            400,
            "The cursor is not of this list",
            "A cursor belongs to the list and the sort it came with. Begin without one.",
        ),
        "bad-request": Kind(400, "The request cannot be read", "Its parts contradict HTTP."),
        "no-idempotency-key": Kind(
            400,
            "An Idempotency-Key is missing",
            "Send a value of your own making, the same again when you repeat the request.",
        ),
        "unknown-host": Kind(
            400, "This is not the host", "VIGIL_API_NAMES lists the names this server answers to."
        ),
        "no-key": Kind(
            401,
            "A valid key is needed",
            "Send `Authorization: Bearer KEY`. `./vigil api-key-create LABEL` makes a key.",
        ),
        "lacks-scope": Kind(403, "The key may not do this", "Ask for a key with the scope named."),
        "cross-site": Kind(
            403, "Another site asked", "Writes from a browser must come from Vigil's own pages."
        ),
        "not-found": Kind(404, "Not there", "Nothing has this name."),
        "method-not-allowed": Kind(405, "Not a method of this path", "`Allow` lists them."),
        "too-slow": Kind(408, "The request did not come in time", "Send it again."),
        "duplicate": Kind(
            409,
            "It is there already",
            "One trader a name, and an address and variant.",
        ),
        "other-body": Kind(
            409,
            "The Idempotency-Key was used for another body",
            "Use a new key for a new request.",
        ),
        "archived": Kind(409, "It is archived", "What was archived is kept as it is."),
        "contradiction": Kind(
            409, "The values contradict one another", "Each is allowed, but not beside the other."
        ),
        "not-promotable": Kind(
            409, "The record does not allow it", "`GET …/promotion` lists the conditions."
        ),
        "stale-version": Kind(
            412,
            "Somebody else changed it",
            "Read it again, look at what changed, and send the new ETag in If-Match.",
        ),
        "too-large": Kind(413, "The body is too large", "At most 64 KiB."),
        "invalid": Kind(422, "The request breaks its schema", "`errors` says where."),
        "out-of-bounds": Kind(422, "Outside what may be set", "The schema states the bounds."),
        "no-version": Kind(
            428, "If-Match is missing", "Send the ETag of what you read, so that nothing is lost."
        ),
        "too-many-requests": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
        "head-too-large": Kind(
            431, "The headers are too large", "At most 32 KiB, and 100 headers, with the address."
        ),
        "unexpected": Kind(
            500, "Something unexpected", "The log has the details, by the request_id."
        ),
        "database-away": Kind(
            503, "The database does not answer", "Try again after as long as Retry-After says."
        ),
        "too-many-connections": Kind(
            503, "Too many connections", "Try again after as long as Retry-After says."
        ),
    }
)


class Problem(Exception):
    """Raise it anywhere in a request to have it answered; `more` are further members."""

    def __init__(
        self,
        kind: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.more = more or {}


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response."""
    kind = KINDS[problem.kind]
    content = {
        "type": f"/problems/{problem.kind}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": request.url.path,
        "request_id": request.scope.get("request_id", ""),
        **problem.more,
    }
    return JSONResponse(content, kind.status, dict(problem.headers), media_type=MEDIA_TYPE)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What FastAPI is told of a route's problems, schema written out."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _titles(status), "content": content} for status in statuses}


def _titles(status: int) -> str:
    return "; ".join(kind.title for kind in KINDS.values() if kind.status == status)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "enum": [f"/problems/{slug}" for slug in KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer", "enum": sorted({kind.status for kind in KINDS.values()})},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "additionalProperties": False,
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                },
            },
        },
    },
}
