"""Numbers for the charts: `app.js` fetches them and decides how they look."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse

from vigil_api.pages.compare import addresses_of, drawn_axes
from vigil_api.pages.rendering import explorer_of
from vigil_api.pages.trader import ADDRESS, moment_of
from vigil_api.problems import Problem
from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_core.metrics.catalogue import WINDOWS
from vigil_core.thinning import thinned
from vigil_resources.metrics.explorer import Explorer

router = APIRouter(prefix="/charts", include_in_schema=False)

Reads = Annotated[Explorer, Depends(explorer_of)]

MOST_COINS = 20


@router.get("/traders/{address}")
def trader_curve(
    reads: Reads,
    address: str,
    window: Annotated[str, Query(max_length=5)] = "all",
    as_of: Annotated[str, Query(max_length=10)] = "",
) -> JSONResponse:
    """Gathered result and drawdown of a trader, day by day."""
    if not ADDRESS.fullmatch(address):
        raise Problem("not-found", "expected an address")
    _, at = moment_of(reads, as_of)
    rows = reads.curve(address, at, window if window in WINDOWS else "all")
    kept = [rows[place] for place in thinned([row["gathered"] for row in rows])]
    return _sent(
        {
            "kind": "time",
            "panes": True,
            "x": [row["day"] for row in kept],
            "series": [
                {
                    "name": "Gathered result, USD",
                    "unit": "USD",
                    "shape": "area",
                    "values": [row["gathered"] for row in kept],
                },
                {
                    "name": "Drawdown, % of peak",
                    "unit": "%",
                    "shape": "area",
                    "tone": "loss",
                    "values": [row["drawdown"] for row in kept],
                },
            ],
        }
    )


@router.get("/compare/radar")
def radar(reads: Reads, ids: Annotated[list[str] | None, Query()] = None) -> JSONResponse:
    """Percentiles of each trader on each axis."""
    rows = reads.compared(addresses_of(reads, ids))
    axes = drawn_axes(rows)
    return _sent(
        {
            "kind": "radar",
            "axes": [name for _, name in axes],
            "series": [
                {
                    "name": row["name"] or f"{row['user_address'][:6]}…{row['user_address'][-4:]}",
                    "values": [row[column] for column, _ in axes],
                }
                for row in rows
            ],
        }
    )


@router.get("/liquidations")
def liquidations(
    reads: Reads,
    start: Annotated[int, Query(alias="from", ge=0)],
    until: Annotated[int, Query(ge=0)],
    coin: Annotated[str, Query(max_length=40)] = "",
) -> JSONResponse:
    """Notional liquidated, by coin and hour."""
    rows = reads.liquidations_by_hour(start, min(until, start + 31 * DAY_MS), coin=coin or None)
    totals: dict[str, float] = {}
    for row in rows:
        totals[row["coin"]] = totals.get(row["coin"], 0) + float(row["notional"])
    coins = sorted(totals, key=lambda name: -totals[name])[:MOST_COINS]
    first = start - start % HOUR_MS
    hours = list(range(first, until, HOUR_MS))
    cells = [
        [(row["hour"] - first) // HOUR_MS, coins.index(row["coin"]), float(row["notional"])]
        for row in rows
        if row["coin"] in coins
    ]
    return _sent(
        {
            "kind": "heat",
            "unit": "USD",
            "times": hours,
            "y": coins,
            "cells": cells,
            "series": [],
            "min": 0,
            "max": max((cell[2] for cell in cells), default=1),
        }
    )


@router.get("/smart-money")
def smart_money(
    reads: Reads,
    coin: Annotated[str, Query(max_length=40)],
    start: Annotated[int, Query(alias="from", ge=0)],
    until: Annotated[int, Query(ge=0)],
) -> JSONResponse:
    """What smart money held of one coin, long and short, hour by hour."""
    rows = reads.positions_between(start, until, coin)
    longs = [_number(row["long_notional"]) for row in rows]
    rows = [rows[place] for place in thinned(longs)]
    return _sent(
        {
            "kind": "time",
            "step": "hour",
            "x": [row["hour"] for row in rows],
            "series": [
                {
                    "name": "Long, USD",
                    "unit": "USD",
                    "shape": "bar",
                    "stack": "held",
                    "tone": "gain",
                    "values": [_number(row["long_notional"]) for row in rows],
                },
                {
                    "name": "Short, USD",
                    "unit": "USD",
                    "shape": "bar",
                    "stack": "held",
                    "tone": "loss",
                    "values": [
                        None if row["short_notional"] is None else -float(row["short_notional"])
                        for row in rows
                    ],
                },
            ],
        }
    )


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _sent(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})
