"""One trader: who is this, and would I follow?"""

import re
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from vigil_api.pages.rendering import explorer_of, page, query_of
from vigil_api.problems import Problem
from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.metrics.catalogue import WINDOWS
from vigil_resources.database.warehouse import CLASSIFIED_BY
from vigil_resources.metrics.explorer import Explorer, Row, Rows
from vigil_resources.metrics.published import OURS

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("trader_metrics", "trader_labels", "round_trips", "published_traders")
BUCKETS = ("lt1x", "1x-3x", "3x-5x", "5x-10x", "10x+", "unknown")
"""Classes of leverage, the last of trades without a snapshot before them."""
FILLS_MS = 7 * DAY_MS
"""How far back the last fills are looked for."""
ADDRESS = re.compile("0x[0-9a-f]{40}")


@router.get("/traders/{which}")
def trader(
    request: Request,
    reads: Reads,
    which: str,
    window: Annotated[str, Query(max_length=5)] = "all",
    as_of: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """One trader as of a day; `which` is an address, or the number we know him by."""
    if which.isdecimal():
        return RedirectResponse(f"/traders/{_address_of(reads, which)}", status_code=307)
    address = which.lower()
    if not ADDRESS.fullmatch(address):
        raise Problem("not-found", "expected an address, 0x and 40 hexadecimal digits, or a number")
    chosen = window if window in WINDOWS else "all"
    newest, at = moment_of(reads, as_of)
    known = reads.trader(address, at, chosen)
    if known is None:
        raise Problem("not-found", f"{address} did nothing in the days before {day_of(at)}")
    published = next(iter(reads.compared([address])), None)
    last_day = published["last_day"] if published and published["last_day"] < at else at - DAY_MS
    kept = {"as_of": str(day_of(at)) if at != newest else None}
    return page(
        request,
        "trader.html",
        assets=ASSETS,
        address=address,
        at=at,
        newest=newest,
        as_of=day_of(at),
        window=chosen,
        buckets=BUCKETS,
        window_links={
            name: f"/traders/{address}?{query_of(window=name, **kept)}" for name in WINDOWS
        },
        chart=f"/charts/traders/{address}?{query_of(window=chosen, **kept)}",
        curve=reads.curve(address, at, chosen),
        rules=_rules(known["labels"], reads.conditions(), at),
        published=published,
        # What was done since is no part of how things stood on an earlier day.
        last_fills=reads.last_fills(address, at - FILLS_MS) if at == newest else [],
        signals=reads.signals(address) if known["followed"] else [],
        audit=reads.seed_audit(address) if at == newest else [],
        explain_day=day_of(last_day),
        found={one.figure.key: one for family in known["families"] for one in family.figures},
        **known,
    )


def moment_of(reads: Explorer, as_of: str) -> tuple[int, int]:
    """The newest midnight with figures, and the one that is asked for: it, if none is.

    Raises:
        Problem: No figures are built, or the text is no day.
    """
    newest = reads.age().get("figures_until")
    if newest is None:
        raise Problem("not-found", "no day's figures are built yet")
    if not as_of:
        return newest, newest
    try:
        return newest, min(day_start_ms(date.fromisoformat(as_of)), newest)
    except ValueError as error:
        raise Problem("not-found", f"as_of={as_of!r}: expected a day, YYYY-MM-DD") from error


def _address_of(reads: Explorer, number: str) -> str:
    # Longer is no number of ours, and none the database could hold.
    address = reads.address_of(int(number)) if len(number) < 19 else None
    if address is None:
        raise Problem("not-found", f"nobody is followed by the number {number}")
    return address


def _rules(labels: Rows, conditions: dict[tuple[str, str], Rows], at: int) -> list[dict[str, Any]]:
    """What each rule set shown says at `at`, with the conditions of the rule and what went in."""
    found = []
    for rule_set in (CLASSIFIED_BY, OURS):
        label = next(
            (
                row
                for row in labels
                if row["rule_set"] == rule_set and (row["valid_to"] is None or row["valid_to"] > at)
            ),
            None,
        )
        if label is not None:
            found.append(
                {
                    "rule_set": rule_set,
                    "label": label,
                    "conditions": [
                        {
                            **row,
                            "value": label["inputs"].get(row["metric"]),
                            "holds": _holds(row, label),
                        }
                        for row in _tested(rule_set, label, conditions)
                    ],
                }
            )
    return found


def _tested(rule_set: str, label: Row, conditions: dict[tuple[str, str], Rows]) -> Rows:
    """The conditions of the rule that fired; of no rule, what all of them asked."""
    fired = conditions.get((rule_set, label["rule"]))
    if fired is not None:
        return fired
    return [row for (of, _), rows in conditions.items() if of == rule_set for row in rows]


def _holds(condition: Row, label: Row) -> bool:
    value = label["inputs"].get(condition["metric"])
    if value is None:
        return False
    threshold = float(condition["threshold"])
    return bool(value >= threshold if condition["comparison"] == ">=" else value <= threshold)
