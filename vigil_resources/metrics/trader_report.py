"""The figures of one trader by family, as of a midnight and over a window."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from vigil_core.calendar import DAY_MS
from vigil_core.metrics.catalogue import FAMILIES, SIGNAL_QUALITY, WINDOWS, Family, Figure
from vigil_resources.statements import query

Row = dict[str, Any]

_STATEMENTS = {
    "leverage": "report/leverage",
    "risk_adjusted": "report/risk_adjusted",
    "concentration": "report/concentration",
    "drawdown": "report/drawdown",
    "signal_quality": "report/signal_quality",
}

NOT_SEEN, NOT_FOLLOWED = "no_data", "not_applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What days the figures are of, and how much of them is known."""

    name: str
    """`7d`, `30d`, `90d` or `all`."""
    start: int | None
    """ms; None: the trader was not seen by then."""
    before: int
    """ms, not included: the midnight as of which everything is."""
    days: int | None
    coverage: float | None
    """Share of the days without a missing source object."""
    partial: bool
    """The trader is younger than the window."""
    pnl_basis: str | None
    capital_basis: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFigure:
    """A figure with its value."""

    figure: Figure
    value: Any
    """float, int, Decimal, or a table; None: see `reason`."""
    n_obs: int
    reason: str | None
    publishable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFamily:
    """A family with its values."""

    family: Family
    window: Window
    figures: list[FoundFigure]


def families(
    connection: psycopg.Connection[Any],
    address: str | None,
    before: int,
    window: str = "all",
    trader_id: int | None = None,
) -> list[FoundFamily]:
    """All families of a trader, by what was known before a midnight.

    Args:
        connection: Only read.
        address: Lower case; None: a followed source of signals without one.
        before: ms, a midnight.
        window: A key of `WINDOWS`.
        trader_id: Of the followed trader, for the quality of signals; None: he is not followed.
    """
    asked = {
        "user_address": address,
        "before": before,
        "window_days": WINDOWS[window],
        "trader_id": trader_id,
    }
    context = _row(connection, "report/context", asked) or {}
    found = []
    for family in FAMILIES:
        row = _row(connection, _STATEMENTS[family.key], asked)
        span = Window(
            name=window,
            start=context.get("window_start"),
            before=before,
            days=context.get("calendar_days"),
            coverage=context.get("coverage"),
            partial=bool(context.get("partial_window")),
            pnl_basis=context.get("pnl_basis"),
            capital_basis=context.get("capital_basis"),
        )
        missing = NOT_SEEN
        if family is SIGNAL_QUALITY:
            missing = NOT_FOLLOWED
            span = _of_signals(window, before, row)
        figures = [_figure(one, row, missing) for one in family.figures]
        found.append(FoundFamily(family=family, window=span, figures=figures))
    return found


def _of_signals(window: str, before: int, row: Row | None) -> Window:
    """Signals count from when the trader is followed on."""
    start = None if row is None else int(row["starts_at"])
    wanted = WINDOWS[window]
    return Window(
        name=window,
        start=start,
        before=before,
        days=None if row is None else int(row["days"]),
        coverage=None,
        partial=wanted is not None and start is not None and before - start < wanted * DAY_MS,
        pnl_basis="copied",
        capital_basis="paper_account",
    )


def _figure(figure: Figure, row: Row | None, missing: str) -> FoundFigure:
    if row is None:
        return FoundFigure(figure=figure, value=None, n_obs=0, reason=missing, publishable=False)
    value = row[figure.key]
    reason = row.get(figure.reason or f"{figure.key}_reason")
    return FoundFigure(
        figure=figure,
        value=value,
        n_obs=row[figure.n_obs] or 0,
        # Of a count there is no reason column: it is never absent.
        reason=(reason or missing) if value is None else None,
        publishable=value is not None and bool(row[figure.publishable]),
    )


def _row(connection: psycopg.Connection[Any], statement: str, asked: Row) -> Row | None:
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(query(statement), asked).fetchone()
