"""`/healthz`, `/readyz` and `/metrics`, for machines; `/problems/…`, for who got one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from vigil_api.metrics import MEDIA_TYPE, Metrics
from vigil_api.problems import KINDS, Problem, answers
from vigil_api.routes.requests import Reading
from vigil_api.schemas import Out
from vigil_api.security import Reader
from vigil_resources.statements import query

router = APIRouter(tags=["machines"])


class Well(Out):
    """Nothing is wrong."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
def healthz() -> Well:
    """The process answers."""
    return Well()


@router.get("/readyz")
def readyz(connection: Reading) -> Well:
    """The database answers too, and has Vigil's schema."""
    row = connection.execute(query("api/is_ready")).fetchone()
    if row is None or not row[0]:
        raise Problem("database-away", "the schema is not installed", {"Retry-After": "5"})
    return Well()


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, _: Reader) -> Response:
    """Loads, lag, rejects, runs, messages and requests, in Prometheus' text format.

    From this machine it is open like all reads; a Prometheus elsewhere needs a key of scope `read`.
    Where the database is away it still answers, with `vigil_warehouse_up 0`.
    """
    said: Metrics = request.app.state.metrics
    return Response(said.text(), media_type=MEDIA_TYPE)


@router.get("/problems/{kind}", response_class=PlainTextResponse, responses=answers(404))
def explain_problem(kind: Annotated[str, Path(pattern="^[a-z-]{1,40}$")]) -> PlainTextResponse:
    """What a kind of problem means, and what to do about it."""
    if kind not in KINDS:
        raise Problem("not-found", f"there is no kind of problem {kind}")
    said = KINDS[kind]
    return PlainTextResponse(f"{said.status} {said.title}\n\n{said.help}\n")
