"""The same request again has the same answer, and no second effect.

The key is claimed in the transaction of the effect: whoever repeats a request meanwhile waits for
that, and is then told what was answered. An effect that failed leaves no claim.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header
from psycopg.types.json import Jsonb
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.database import Connection, Database
from vigil_api.problems import Problem
from vigil_resources.statements import query

REPLAYED = "Idempotent-Replay"
_PATTERN = "^[!-~]{1,200}$"


class Answer(BaseModel):
    """What a route answers: kept whole, so that it can be given again to the byte."""

    status: int
    headers: dict[str, str]
    body: str

    def response(self, **more: str) -> Response:
        """As HTTP."""
        headers = self.headers | more
        return Response(self.body, self.status, headers, media_type="application/json")


def _optional(
    key: Annotated[str | None, Header(alias="Idempotency-Key", pattern=_PATTERN)] = None,
) -> str | None:
    return key


def _required(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=_PATTERN,
            description="Of your own making; the same when the request is sent again",
            json_schema_extra={"x-required": True},
        ),
    ] = None,
) -> str:
    if key is None:
        raise Problem("no-idempotency-key", "the request makes something new each time")
    return key


IdempotencyKey = Annotated[str, Depends(_required)]
MaybeIdempotencyKey = Annotated[str | None, Depends(_optional)]


def once(
    request: Request,
    caller: str,
    key: str | None,
    effect: Callable[[Connection], Answer],
) -> Response:
    """Carry out a request unless that was done, and answer as then.

    Raises:
        Problem: The key came with another body before.
    """
    database: Database = request.app.state.database
    with database.write() as connection:
        if key is None:
            return effect(connection).response()
        claim = {
            "caller": caller,
            "route": f"{request.method} {request.url.path}",
            "key": key,
            "body_sha256": hashlib.sha256(request.scope["body"]).hexdigest(),
        }
        if connection.execute(query("api/claim_answer"), claim).fetchone() is None:
            return _kept(connection, claim)
        answer = effect(connection)
        kept = {"status": answer.status, "headers": Jsonb(answer.headers), "answer": answer.body}
        connection.execute(query("api/keep_answer"), claim | kept)
    return answer.response()


def _kept(connection: Connection, claim: dict[str, str]) -> Response:
    row = connection.execute(query("api/kept_answer"), claim).fetchone()
    if row is None:
        # It ended a moment ago, after a day: the next attempt claims it.
        raise Problem("database-away", "ask once more", {"Retry-After": "1"})
    body_sha256, status, headers, body = row
    if body_sha256 != claim["body_sha256"]:
        raise Problem("other-body", "this key belongs to a request with another body")
    return Answer(status=status, headers=headers, body=body).response(**{REPLAYED: "true"})
