"""Small parts that ask for themselves again."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, part
from vigil_resources.metrics.explorer import Explorer

router = APIRouter(include_in_schema=False)


@router.get("/parts/age")
def age(request: Request, reads: Annotated[Explorer, Depends(explorer_of)]) -> Response:
    """How old the data are now."""
    return part(request, "_age.html", age=reads.age(), now=int(time.time() * 1000))
