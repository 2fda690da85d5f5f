"""What every figure means."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.numbers import REASONS
from vigil_api.pages.rendering import explorer_of, page
from vigil_core.metrics.catalogue import FAMILIES
from vigil_resources.metrics.explorer import Explorer

router = APIRouter(include_in_schema=False)


@router.get("/formulas")
def formulas(request: Request, _: Annotated[Explorer, Depends(explorer_of)]) -> Response:
    """The catalogue of figures, an anchor each, and why one may be absent."""
    return page(
        request,
        "formulas.html",
        assets=("trader_metrics",),
        families=FAMILIES,
        reasons=REASONS,
    )
