"""Who was liquidated where?"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vigil_api.pages.rendering import explorer_of, page, query_of
from vigil_core.calendar import DAY_MS
from vigil_resources.metrics.explorer import Explorer, Rows

router = APIRouter(include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

ASSETS = ("fills", "coin_daily", "liquidation_events")
SPANS = {"24h": 1, "3d": 3, "7d": 7, "30d": 30}
SHOWN, IN_FILE = 50, 100_000

COLUMNS = (
    "time",
    "coin",
    "liquidated_user",
    "liquidator",
    "px",
    "sz",
    "notional",
    "mark_px",
    "method",
)

Span = Annotated[str, Query(max_length=5)]
Coin = Annotated[str, Query(max_length=40)]
Least = Annotated[str, Query(max_length=20)]


@router.get("/liquidations")
def liquidations(
    request: Request, reads: Reads, span: Span = "24h", coin: Coin = "", least: Least = ""
) -> Response:
    """The last days known: by coin, the largest, and who took them over."""
    chosen, start, end = _times(reads, span)
    asked: dict[str, Any] = {"coin": coin.strip() or None, "least_usd": _amount(least)}
    by_hour = reads.liquidations_by_hour(start, end, **asked) if end else []
    kept = {"coin": asked["coin"], "least": asked["least_usd"]}
    return page(
        request,
        "liquidations.html",
        part="_liquidations.html",
        assets=ASSETS,
        span=chosen,
        spans=SPANS,
        asked=kept,
        start=start,
        end=end,
        by_coin=_by_coin(by_hour),
        total=sum((row["notional"] for row in by_hour), Decimal(0)),
        count=sum(row["trades"] for row in by_hour),
        largest=reads.liquidations(start, end, **asked, limit=SHOWN) if end else [],
        liquidators=reads.liquidators(start, end, **asked) if end else [],
        chart="/charts/liquidations?" + query_of(**{"from": start}, until=end, coin=asked["coin"]),
        file="/liquidations.csv?" + query_of(span=chosen, **kept),
    )


@router.get("/liquidations.csv")
def liquidations_csv(
    reads: Reads, span: Span = "24h", coin: Coin = "", least: Least = ""
) -> Response:
    """The same as a file, the largest first: every column, exact."""
    chosen, start, end = _times(reads, span)
    asked: dict[str, Any] = {"coin": coin.strip() or None, "least_usd": _amount(least)}
    rows = reads.liquidations(start, end, **asked, limit=IN_FILE) if end else []
    name = f"liquidations_{chosen}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_lines(rows), media_type="text/csv; charset=utf-8", headers=headers)


def _times(reads: Explorer, span: str) -> tuple[str, int, int]:
    """Name, start and end of the time shown: it ends with the data."""
    chosen = span if span in SPANS else "24h"
    end = reads.age().get("data_until") or 0
    return chosen, max(end - SPANS[chosen] * DAY_MS, 0), end


def _by_coin(by_hour: Rows) -> Rows:
    found: dict[str, dict[str, Any]] = {}
    for row in by_hour:
        sums = found.setdefault(
            row["coin"],
            {"coin": row["coin"], "trades": 0, "notional": Decimal(0), "largest": Decimal(0)},
        )
        sums["trades"] += row["trades"]
        sums["notional"] += row["notional"]
        if row["largest"] >= sums["largest"]:
            sums["largest"], sums["worst_hour"] = row["largest"], row["hour"]
    return sorted(found.values(), key=lambda sums: -sums["notional"])


def _lines(rows: Rows) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(name, row[name]) for name in COLUMNS])
        if text.tell() > 65_536:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "time":
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.replace(",", "").strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
