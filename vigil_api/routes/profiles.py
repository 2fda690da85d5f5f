"""`/api/profiles`: every trader seen, by the predecessors' definitions (GLOSSARY.md)."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from vigil_api.cursors import Pages
from vigil_api.problems import answers
from vigil_api.routes.requests import Reading
from vigil_api.schemas import Out, Page
from vigil_api.security import Reader
from vigil_api.values import (
    ADDRESS_PATTERN,
    AMOUNT_PATTERN,
    COIN_PATTERN,
    DayIn,
    Money,
    Ratio,
    Time,
)
from vigil_core.calendar import day_start_ms
from vigil_resources.metrics.markets import Markets, ProfileSort

router = APIRouter(prefix="/api/profiles", tags=["profiles"])


class ProfileOut(Out):
    """One trader, over the days asked for. Ratios are null where undefined."""

    user_address: str
    first_trade_time: Time
    last_trade_time: Time
    trading_days: int
    total_fills: int
    total_volume: Money
    unique_coins: int
    realized_pnl: Money | None
    fees_paid: Money | None
    builder_fees_paid: Money | None
    net_pnl: Money | None
    maker_pct: Ratio | None
    win_rate: Ratio | None
    mtm_tv: Ratio | None
    long_ratio: Ratio | None
    liquidation_fills: int
    liquidation_volume: Money
    liquidation_pct: Ratio | None
    twap_fills: int
    twap_volume: Money
    twap_pct: Ratio | None
    avg_hold_hours: Ratio | None
    sharpe_ratio: Ratio | None
    trader_type: str | None
    trader_type_rule: str | None


class LabelOut(Out):
    """What a trader was called from a midnight on, and which rule decided, on which values."""

    rule_set: str
    trader_type: str
    rule: str
    inputs: dict[str, Any]
    valid_from: Time
    valid_to: Time | None


class OneProfileOut(ProfileOut):
    """The same with the history of labels."""

    as_of: date | None
    labels: list[LabelOut]


@router.get("")
def list_profiles(
    pages: Pages,
    _: Reader,
    connection: Reading,
    trader_type: Annotated[str | None, Query(alias="class", pattern="^[A-Z_]{1,40}$")] = None,
    coin: Annotated[str | None, Query(pattern=COIN_PATTERN, description="Traded")] = None,
    min_trading_days: Annotated[int | None, Query(ge=0, lt=10**6)] = None,
    min_volume: Annotated[str | None, Query(pattern=AMOUNT_PATTERN, description="USD")] = None,
    sort: ProfileSort = "net_pnl",
) -> Page[ProfileOut]:
    """Profiles over all loaded days, highest first; undefined ones come last."""
    name = f"profiles by {sort}"
    after: Any = pages.after(name, Decimal, str)
    rows = Markets(connection).profiles(
        sort=sort,
        trader_type=trader_type,
        coin=coin,
        min_trading_days=min_trading_days,
        min_volume=None if min_volume is None else Decimal(min_volume),
        after=after,
        limit=pages.fetched,
    )
    return pages.page(name, rows, _profile, lambda row: (row["sort_key"], row["user_address"]))


@router.get("/{address}", responses=answers(404))
def get_profile(
    address: Annotated[str, Path(pattern=ADDRESS_PATTERN)],
    _: Reader,
    connection: Reading,
    as_of: Annotated[
        DayIn | None, Query(description="By what was known at 00:00 UTC of this day")
    ] = None,
) -> OneProfileOut:
    """One trader: over all loaded days, or by what was known at a midnight."""
    markets = Markets(connection)
    row = markets.profile(address.lower(), as_of)
    at = 2**62 if as_of is None else day_start_ms(as_of)
    labels = markets.labels(address.lower(), at)
    return OneProfileOut.of(_named(row) | {"as_of": as_of, "labels": labels})


def _profile(row: dict[str, Any]) -> ProfileOut:
    return ProfileOut.of(_named(row))


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ProfileOut.model_fields}
