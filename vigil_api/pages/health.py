"""Can I trust today's numbers?"""

import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.pages.rendering import explorer_of, page
from vigil_core.calendar import DAY_MS, day_of
from vigil_resources.metrics.explorer import Explorer, Rows

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("raw_fills", "fills", "reconciliation", "published_traders")
DAYS = 14
WEEKS = 26
"""Of the calendar."""
HOURS = 24

MADE_WITH = {
    "account_balances": "addresses",
    "balance_collapses": "addresses",
    "oi_changes": "oi_history",
    "persistence_rolls": "persistence_test",
}
"""Tables that are built by the asset of another."""


@router.get("/health")
def health(request: Request, reads: Reads) -> Response:
    """What came, what is built of it, and what the invariants say."""
    now = time.time_ns() // 1_000_000
    checks = reads.health_checks(DAYS)
    until = reads.age().get("data_until")
    return page(
        request,
        "health.html",
        assets=ASSETS,
        now=now,
        freshness=reads.health_now(),
        weeks=calendar(reads, until) if until else [],
        runs=reads.last_runs(now),
        recent=reads.runs_of_day(now),
        days=reads.health_days(),
        streams=reads.live_streams(),
        relations=reads.health_relations(),
        made_with=MADE_WITH,
        check_days=sorted({row["day"] for row in checks}, reverse=True),
        checks=by_invariant(checks),
        quarantined=reads.quarantined(),
        hour_ranges=hour_ranges,
    )


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A cell of the calendar."""

    day: date
    hours: int | None
    """Hours with an object; None where the day is not loaded."""
    is_final: bool

    @property
    def level(self) -> int:
        """0 where nothing is, 4 where every hour is."""
        return 0 if not self.hours else 4 if self.hours == HOURS else 1 + self.hours * 3 // HOURS


def calendar(reads: Explorer, until: int) -> list[list[CalendarDay | None]]:
    """Weeks from Monday to Sunday, the oldest first; None outside of what could be loaded.

    Begins with the first day loaded, or `WEEKS` before the end.
    """
    earliest = until - WEEKS * 7 * DAY_MS
    loaded = {day_of(row["day"]): row for row in reads.hours_by_day(earliest)}
    first, end = min(loaded), day_of(until)
    monday = first - timedelta(days=first.weekday())
    weeks = []
    while monday < end:
        week = [monday + timedelta(days=n) for n in range(7)]
        weeks.append([_cell(day, loaded.get(day)) if first <= day < end else None for day in week])
        monday += timedelta(days=7)
    return weeks


def _cell(day: date, row: dict[str, Any] | None) -> CalendarDay:
    if row is None:
        return CalendarDay(day, None, is_final=False)
    return CalendarDay(day, row["hours_present"], is_final=row["is_final"])


def hour_ranges(hours: list[int]) -> str:
    """Hours of a day, ascending, with those that follow one another as one.

    >>> hour_ranges([3, 4, 5, 9])
    '3–5, 9'
    """
    ranges: list[list[int]] = []
    for hour in hours:
        if ranges and hour == ranges[-1][1] + 1:
            ranges[-1][1] = hour
        else:
            ranges.append([hour, hour])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in ranges)


def by_invariant(checks: Rows) -> list[dict[str, Any]]:
    """One entry an invariant, the failed ones first, with its result of each day."""
    found: dict[str, dict[str, Any]] = {}
    for row in checks:
        entry = found.setdefault(
            row["invariant"],
            {"invariant": row["invariant"], "severity": row["severity"], "days": {}, "failed": 0},
        )
        entry["days"][row["day"]] = row
        entry["failed"] += row["status"] == "failed"
    return sorted(found.values(), key=lambda one: (-one["failed"], one["invariant"]))
