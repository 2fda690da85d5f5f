"""What every figure means."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.numbers import REASONS
from vigil_api.pages.rendering import page
from vigil_core.metrics.catalogue import FAMILIES

router = APIRouter(include_in_schema=False)


@router.get("/formulas")
def formulas(request: Request) -> Response:
    """The catalogue of figures, an anchor each, and why one may be absent."""
    return page(
        request,
        "formulas.html",
        assets=("trader_metrics",),
        families=FAMILIES,
        reasons=REASONS,
    )
