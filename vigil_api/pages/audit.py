"""The seeds' figures beside corrected ones, and whether the labels say anything."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, page
from vigil_resources.metrics.explorer import Explorer, Rows

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("seed_audit", "persistence_test", "trader_labels")
FIGURES = ("metric", "traders", "undefined", "different", "median", "largest", "cause")
SHOWN = (
    "rank_ic",
    "top_repeat_excess",
    "top_minus_all",
    "top_positive_excess",
    "stopped_share",
    "top_deflated_sharpe",
)
"""Statistics of the persistence test that stand in the table; all are in the other."""


@router.get("/audit")
def audit(request: Request, reads: Reads) -> Response:
    """Both tables, as of the last publication and the last test."""
    published = reads.published()
    figures = published["figures"] if published else []
    changes = published["class_changes"] if published else []
    tests = reads.persistence()
    return page(
        request,
        "audit.html",
        assets=ASSETS,
        published=published,
        figures=[dict(zip(FIGURES, row, strict=True)) for row in figures],
        seeds=sorted({row[0] for row in changes}),
        ours=sorted({row[1] for row in changes}),
        changes={(row[0], row[1]): row[2] for row in changes},
        tests=tests,
        variants=_by_variant(tests),
        statistics=SHOWN,
    )


def _by_variant(tests: Rows) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in tests:
        found.setdefault(row["variant"], {})[row["statistic"]] = row
    return found
