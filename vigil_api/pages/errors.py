"""Problems as pages, for whoever asked for a page."""

from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import bare_page
from vigil_api.problems import KINDS, Problem


def error_page(request: Request, problem: Problem) -> Response | None:
    """The problem as a page, where a page was asked for; None: as JSON."""
    if request.url.path.startswith(("/api", "/charts")):
        return None
    if "text/html" not in request.headers.get("accept", ""):
        return None
    kind = KINDS[problem.kind]
    return bare_page(
        request,
        "problem.html",
        status=kind.status,
        headers=dict(problem.headers),
        kind=kind,
        slug=problem.kind,
        detail=problem.detail,
        request_id=request.scope.get("request_id", ""),
    )
