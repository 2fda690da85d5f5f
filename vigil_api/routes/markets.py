"""Coins, builders, liquidations, smart money, the data's health, and where a figure comes from."""

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from vigil_api.cursors import Pages
from vigil_api.problems import answers
from vigil_api.routes.requests import Reading
from vigil_api.schemas import Out, Page
from vigil_api.security import Reader
from vigil_api.values import (
    ADDRESS_PATTERN,
    AMOUNT_PATTERN,
    COIN_PATTERN,
    TIME_PATTERN,
    Day,
    DayIn,
    Money,
    Ratio,
    Time,
    exact,
    plain,
    rfc3339,
    to_ms,
)
from vigil_resources.metrics.markets import Markets

router = APIRouter(prefix="/api", tags=["markets"])

_TEXT = {"type": "string"}
MOST_LINES = 100_000
"""Of a CSV file."""

DayAsked = Annotated[DayIn | None, Query(description="UTC; default: the last day loaded")]
CoinAsked = Annotated[str | None, Query(pattern=COIN_PATTERN)]
Start = Annotated[
    str | None, Query(alias="from", pattern=TIME_PATTERN, description="Default: the last day's")
]
End = Annotated[str | None, Query(alias="until", pattern=TIME_PATTERN, description="Not included")]
Victim = Annotated[str | None, Query(alias="user", pattern=ADDRESS_PATTERN)]
Least = Annotated[
    str | None, Query(alias="min_notional", pattern=AMOUNT_PATTERN, description="USD")
]


class CoinOut(Out):
    """One coin's UTC day; each trade counts once."""

    day: Day
    coin: str
    fill_count: int
    unique_traders: int
    volume: Money
    buy_volume: Money
    sell_volume: Money
    total_pnl: Money | None
    total_fees: Money | None
    liquidation_count: int
    liquidation_volume: Money


class BuilderOut(Out):
    """One builder's UTC day; `direct`: through none."""

    day: Day
    builder: str
    fill_count: int
    unique_traders: int
    volume: Money
    total_fees: Money
    builder_fees: Money


class LiquidationOut(Out):
    """One trade of a liquidation; the liquidator is null where only the victim's side is known."""

    time: Time
    coin: str
    liquidated_user: str
    liquidator: str | None
    px: Money
    sz: Money
    notional: Money
    mark_px: Money | None
    method: str | None
    tid: int


class PositionsOut(Out):
    """What smart money held at an hour, by what was known then. Null: no price."""

    coin: str
    hour: Time
    long_notional: Money | None
    short_notional: Money | None
    net_bias: Ratio | None
    traders: int


class DataDayOut(Out):
    """A loaded UTC day: what came, what is missing, what is stale."""

    day: date
    source: str
    is_simulated: bool
    hours_expected: int
    hours_present: int
    missing_hours: list[int]
    is_final: bool
    awaits: Any
    holes_in_blocks: int
    fills: int
    repeated_fills: int
    rejected_lines: int
    unpriced_fee_fills: int
    aggregates_current: bool
    loaded_at: Time
    loaded_lag_s: int
    stale_relations: list[str]
    failed_invariants: list[str]
    failed_runs: int
    reasons: list[str]


class ExplanationOut(Out):
    """A figure of one trader's day, what went into it, and the objects whose lines those are."""

    figure: str
    value: Money | None
    reason: str | None
    formula: str
    inputs: dict[str, Any]
    objects: list[dict[str, Any]]


@router.get("/coins")
def list_coins(pages: Pages, _: Reader, connection: Reading, day: DayAsked = None) -> Page[CoinOut]:
    """Coins of a day, by volume."""
    name = f"coins of {day}"
    after: Any = pages.after(name, Decimal, str)
    rows = Markets(connection).coins(day, after=after, limit=pages.fetched)
    return pages.page(name, rows, CoinOut.of, lambda row: (row["volume"], row["coin"]))


@router.get("/builders")
def list_builders(
    pages: Pages, _: Reader, connection: Reading, day: DayAsked = None
) -> Page[BuilderOut]:
    """Builders of a day, by volume."""
    name = f"builders of {day}"
    after: Any = pages.after(name, Decimal, str)
    rows = Markets(connection).builders(day, after=after, limit=pages.fetched)
    return pages.page(name, rows, BuilderOut.of, lambda row: (row["volume"], row["builder"]))


@router.get("/liquidations")
def list_liquidations(
    pages: Pages,
    _: Reader,
    connection: Reading,
    start: Start = None,
    end: End = None,
    coin: CoinAsked = None,
    user: Victim = None,
    least: Least = None,
) -> Page[LiquidationOut]:
    """Liquidation trades, newest first; of the last day loaded where no time is given."""
    after: Any = pages.after("liquidations", int, str, int, str)
    asked = _asked(start, end, coin, user, least)
    rows = Markets(connection).liquidations(**asked, after=after, limit=pages.fetched)
    key = ("time", "coin", "tid", "liquidated_user")
    return pages.page(
        "liquidations", rows, LiquidationOut.of, lambda row: tuple(row[name] for name in key)
    )


@router.get(
    "/liquidations.csv",
    response_class=Response,
    responses={
        200: {"description": "CSV", "content": {"text/csv": {"schema": {"type": "string"}}}}
    },
)
def download_liquidations(
    _: Reader,
    connection: Reading,
    start: Start = None,
    end: End = None,
    coin: CoinAsked = None,
    user: Victim = None,
    least: Least = None,
) -> Response:
    """The same as a file, at most 100,000 lines."""
    asked = _asked(start, end, coin, user, least)
    rows = Markets(connection).liquidations(**asked, limit=MOST_LINES)
    file = io.StringIO()
    writer = csv.writer(file)
    names = list(LiquidationOut.model_fields)
    writer.writerow(names)
    for row in rows:
        shown = row | {"time": rfc3339(row["time"])}
        writer.writerow([_cell(shown[name]) for name in names])
    headers = {"Content-Disposition": 'attachment; filename="liquidations.csv"'}
    return Response(file.getvalue(), headers=headers, media_type="text/csv")


@router.get("/smart-money")
def list_smart_money(
    pages: Pages,
    _: Reader,
    connection: Reading,
    start: Start = None,
    end: End = None,
    coin: CoinAsked = None,
) -> Page[PositionsOut]:
    """Where smart money leaned, by coin and hour, newest first."""
    after: Any = pages.after("smart money", int, str)
    rows = Markets(connection).smart_money(
        start=_ms(start), end=_ms(end), coin=coin, after=after, limit=pages.fetched
    )
    return pages.page("smart money", rows, PositionsOut.of, lambda row: (row["hour"], row["coin"]))


@router.get("/health/data")
def list_data_days(pages: Pages, _: Reader, connection: Reading) -> Page[DataDayOut]:
    """Loaded days, newest first."""
    before = pages.after("data", str)
    rows = Markets(connection).data_days(before=before[0] if before else None, limit=pages.fetched)
    return pages.page("data", rows, DataDayOut.of, lambda row: (row["day"],))


@router.get("/explain/{address}/{day}", responses=answers(404))
def explain(
    address: Annotated[str, Path(pattern=ADDRESS_PATTERN)],
    day: DayIn,
    _: Reader,
    connection: Reading,
) -> list[ExplanationOut]:
    """Where the figures of a trader's UTC day come from, down to the objects and their lines."""
    rows = Markets(connection).explanation(address.lower(), day)
    return [
        ExplanationOut.of(row | {"inputs": exact(row["inputs"]), "objects": exact(row["objects"])})
        for row in rows
    ]


def _asked(
    start: str | None, end: str | None, coin: str | None, user: str | None, least: str | None
) -> dict[str, Any]:
    return {
        "start": _ms(start),
        "end": _ms(end),
        "coin": coin,
        "user": user and user.lower(),
        "least": None if least is None else Decimal(least),
    }


def _ms(text: str | None) -> int | None:
    return None if text is None else to_ms(text)


def _cell(value: Any) -> Any:
    """A spreadsheet must not take a text for a formula."""
    if isinstance(value, Decimal):
        return plain(value)
    is_formula = isinstance(value, str) and value[:1] in "=+-@\t" and value != ""
    return f"'{value}" if is_formula else value
