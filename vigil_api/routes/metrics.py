"""`/api/traders/{id}/metrics` and `…/tokens/analytics`: the corrected figures of one trader."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import PlainSerializer

from vigil_api.database import Connection
from vigil_api.problems import Problem, answers
from vigil_api.routes.requests import Reading, TraderId
from vigil_api.schemas import Out
from vigil_api.security import Reader
from vigil_api.values import DayIn, Money, Ratio, Time, exact
from vigil_core.calendar import day_start_ms
from vigil_core.errors import NotFound
from vigil_core.metrics.catalogue import WINDOWS
from vigil_resources.desk.traders import Traders, Which
from vigil_resources.metrics.markets import Markets
from vigil_resources.metrics.trader_report import FoundFamily, FoundFigure, families

router = APIRouter(prefix="/api/traders", tags=["metrics"])

WindowName = Literal["7d", "30d", "90d", "all"]
WindowAsked = Annotated[
    WindowName, Query(description="Complete UTC days before `as_of`; all: since the first known")
]
AsOf = Annotated[
    DayIn | None,
    Query(description="By what was known at 00:00 UTC of this day; default: the last one built"),
]


class WindowOut(Out):
    """What days figures are of, and how much of them is known."""

    name: WindowName
    start: Time | None
    before: Time
    days: int | None
    coverage: Ratio | None
    partial: bool
    pnl_basis: str | None
    capital_basis: str | None


class FigureOut(Out):
    """A figure: what it is, of how many observations, and why it is null where it is."""

    key: str
    label: str
    unit: str
    formula: str
    value: Annotated[Any, PlainSerializer(exact)]
    n_obs: int
    reason: str | None
    publishable: bool


class FamilyOut(Out):
    """Figures that belong together, over one window."""

    key: str
    label: str
    window: WindowOut
    figures: list[FigureOut]


class MetricsOut(Out):
    """All families of one trader."""

    user_address: str | None
    trader_id: int | None
    as_of: Time
    families: list[FamilyOut]


class TokenOut(Out):
    """What one trader did in one perp."""

    token: str
    fills: int
    volume_usd: Money
    exposure_usd: Money | None
    share: Ratio | None
    share_basis: str | None
    closed_trades: int
    win_rate: Ratio | None
    win_rate_lower: Ratio | None
    win_rate_upper: Ratio | None
    win_rate_reason: str | None
    net_pnl: Money | None
    net_pnl_reason: str | None
    publishable: bool
    pnl_usd: Money | None
    pnl_usd_reason: str | None
    peak_exposure_usd: Money | None
    return_contribution: Ratio | None
    return_contribution_reason: str | None
    token_roi: Ratio | None
    token_roi_reason: str | None
    blacklist_hint: bool | None


class ConcentrationOut(Out):
    """How much one trader's book depends on few perps."""

    share_basis: str | None
    unique_tokens_traded: int
    concentration_index: Ratio | None
    concentration_index_reason: str | None
    concentration_index_normalized: Ratio | None
    concentration_index_normalized_reason: str | None
    effective_tokens: Ratio | None
    effective_tokens_reason: str | None
    top_3_exposure: Ratio | None
    top_3_exposure_reason: str | None
    diversification_score: Ratio | None
    diversification_score_reason: str | None
    corr_basis: str | None
    token_distribution: dict[str, Ratio] | None


class TokensOut(Out):
    """Perps of one trader over a window, the largest share first."""

    user_address: str
    as_of: Time
    window: WindowName
    concentration: ConcentrationOut | None
    tokens: list[TokenOut]


@router.get("/{id:trader}/metrics", responses=answers(404))
def get_metrics(
    which: TraderId,
    _: Reader,
    connection: Reading,
    window: WindowAsked = "30d",
    as_of: AsOf = None,
) -> MetricsOut:
    """Every figure with its unit, window, sample and formula; null with a reason."""
    address, trader_id = _who(connection, which)
    before = _moment(connection, as_of)
    found = families(connection, address, before, window, trader_id)
    if trader_id is None and all(family.window.start is None for family in found):
        raise NotFound("trader", f"{address} by then")
    return MetricsOut(
        user_address=address,
        trader_id=trader_id,
        as_of=before,
        families=[_family(family) for family in found],
    )


@router.get("/{id:trader}/tokens/analytics", responses=answers(404))
def get_tokens(
    which: TraderId,
    _: Reader,
    connection: Reading,
    window: WindowAsked = "30d",
    as_of: AsOf = None,
) -> TokensOut:
    """Shares and results by perp, and how much depends on few of them."""
    address, _trader_id = _who(connection, which)
    if address is None:
        raise NotFound("address", f"of trader {which}")
    before = _moment(connection, as_of)
    tokens, concentration = Markets(connection).tokens(address, before, WINDOWS[window])
    return TokensOut(
        user_address=address,
        as_of=before,
        window=window,
        concentration=None if concentration is None else ConcentrationOut.of(concentration),
        tokens=[TokenOut.of(token) for token in tokens],
    )


def _who(connection: Connection, which: Which) -> tuple[str | None, int | None]:
    """Address and id; somebody who is not followed has no id."""
    try:
        trader = Traders(connection).get(which)
    except NotFound:
        if isinstance(which, int):
            raise
        return which, None
    return trader.user_address, trader.trader_id


def _moment(connection: Connection, as_of: date | None) -> int:
    known = Markets(connection).known_until()
    if known is None:
        raise Problem("not-found", "no day's figures are built yet")
    return known if as_of is None else min(known, day_start_ms(as_of))


def _family(found: FoundFamily) -> FamilyOut:
    return FamilyOut(
        key=found.family.key,
        label=found.family.label,
        window=WindowOut.of(found.window),
        figures=[_figure(figure) for figure in found.figures],
    )


def _figure(found: FoundFigure) -> FigureOut:
    about = found.figure
    return FigureOut(
        key=about.key,
        label=about.label,
        unit=about.unit,
        formula=about.formula,
        value=found.value,
        n_obs=found.n_obs,
        reason=found.reason,
        publishable=found.publishable,
    )
