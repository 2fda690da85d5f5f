"""Two to six traders side by side: are these the same trade?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, page
from vigil_api.pages.trader import ADDRESS, moment_of
from vigil_core.metrics.comparison import (
    AXES,
    FEWEST,
    LEAST_COMMON_DAYS,
    MOST,
    REDUNDANT_ABOVE,
)
from vigil_resources.metrics.explorer import Explorer, Pair, Rows

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("published_traders", "trader_metrics", "trader_labels")


@router.get("/compare")
def compare(
    request: Request, reads: Reads, ids: Annotated[list[str] | None, Query()] = None
) -> Response:
    """The traders asked for; with fewer than two, a form to name them."""
    asked = addresses_of(reads, ids)
    rows = reads.compared(asked)
    known = [row["user_address"] for row in rows]
    pairs: dict[tuple[str, str], Pair] = {}
    if len(known) >= FEWEST:
        newest, _ = moment_of(reads, "")
        found = reads.pairs(known, newest)
        pairs = found | {(b, a): pair for (a, b), pair in found.items()}
    return page(
        request,
        "compare.html",
        assets=ASSETS,
        rows=rows,
        known=known,
        unknown=[address for address in asked if address not in known],
        pairs=pairs,
        redundant=[(a, b) for (a, b), pair in pairs.items() if a < b and pair.is_redundant],
        published=reads.published(),
        axes=drawn_axes(rows),
        undrawn=[name for column, name in AXES if (column, name) not in drawn_axes(rows)],
        fewest=FEWEST,
        most=MOST,
        threshold=REDUNDANT_ABOVE,
        least_days=LEAST_COMMON_DAYS,
        without={
            name: "/compare?" + "&".join(f"ids={other}" for other in known if other != name)
            for name in known
        },
        query="&".join(f"ids={name}" for name in known),
    )


def drawn_axes(rows: Rows) -> list[tuple[str, str]]:
    """The axes that one of the traders has a figure for."""
    return [(column, name) for column, name in AXES if any(row[column] is not None for row in rows)]


def addresses_of(reads: Explorer, ids: list[str] | None) -> list[str]:
    """Addresses among what was asked for, our numbers looked up; each once, six at most."""
    found: list[str] = []
    for text in (part.strip().lower() for given in ids or [] for part in given.split(",")):
        address: str | None = text
        if text.isdecimal() and len(text) < 19:
            address = reads.address_of(int(text))
        if address and ADDRESS.fullmatch(address) and address not in found:
            found.append(address)
    return found[:MOST]
