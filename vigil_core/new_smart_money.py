"""Who among smart money is new: what a trader's reachable fills say of the fills before them.

The exchange's API reaches back a number of fills, not to a date, and does not say when it was cut
off. That is told by the positions: who began with the oldest reachable fill began flat.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from vigil_core.artemis.tape import perps

DEFAULT_CUTOFF = date(2025, 8, 1)

_DECIMALS = 8
"""Positions that agree to so many decimals are equal: the exchange prints the noise of floats."""

_LEG = ["time", "coin", "oid", "tid", "start_position"]
"""What tells a trader's fills apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A trader as the warehouse knows it. Times in ms UTC, money in USD."""

    user_address: str
    first_trade_time: int
    last_trade_time: int
    net_pnl: Decimal | None
    sharpe_ratio: Decimal | None
    trader_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the exchange's API has of a trader. Times in ms UTC."""

    user_address: str
    first_fill: int | None
    """None where it has no fill."""
    last_fill: int | None
    closed_pnl: Decimal
    """USD, the sum over all fills seen, before fees."""
    fills_seen: int
    history_complete: bool
    """Whether nothing can have come before the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of the result; the fields of the contract, in its order."""

    user_address: str
    is_new: bool | None
    """None where the history is cut off after the cutoff: then nobody can tell."""
    first_fill: int
    """Ms UTC; of the fills of the API and of the warehouse, like `last_fill`."""
    last_fill: int
    api_closed_pnl: Decimal
    db_net_pnl: Decimal | None
    sharpe_ratio: Decimal | None
    trader_type: str
    fills_seen: int
    history_complete: bool


def merged(orders: pl.DataFrame, slices: pl.DataFrame) -> pl.DataFrame:
    """Fills of orders and slices of TWAP orders, by time; what is in both answers once."""
    # A missing trade id equals a missing one.
    new = slices.join(orders, on=_LEG, how="anti", nulls_equal=True)
    return pl.concat([orders, new]).sort("time", maintain_order=True)


def history(user_address: str, fills: pl.DataFrame, *, is_within_reach: bool) -> History:
    """What a trader's fills say, oldest and newest and whether there were older ones.

    Args:
        user_address: Whose fills they are.
        fills: Columns of `FILL_SCHEMA` of the exchange's answers, TWAP slices among them.
        is_within_reach: Whether each answer held fewer rows than the API keeps.
    """
    return History(
        user_address=user_address,
        first_fill=_time(fills["time"].min()),
        last_fill=_time(fills["time"].max()),
        closed_pnl=Decimal(str(fills["closed_pnl"].sum())),
        fills_seen=fills.height,
        history_complete=is_within_reach and began_flat(fills),
    )


def began_flat(fills: pl.DataFrame) -> bool:
    """Whether the oldest fill of each perp started from no position.

    Spot and outcome tokens prove nothing: their balances move with deposits and transfers too.
    """
    oldest = perps(fills).filter(pl.col("time") == pl.col("time").min().over("coin"))
    legs = oldest.select("coin", "start_position", "side", "sz").rows_by_key("coin")
    return all(first_position(coin_legs) == 0 for coin_legs in legs.values())


def first_position(legs: Iterable[tuple[Decimal, str, Decimal]]) -> Decimal | None:
    """Where a chain of legs of one instant started; None where that cannot be told.

    The order within a millisecond means nothing, so it is the start that is no other leg's end.

    Args:
        legs: Position before, side (`B`, `A`) and size of each.

    >>> one, two = Decimal(1), Decimal(2)
    >>> first_position([(one, "B", two), (Decimal(0), "B", one)])
    Decimal('0E-8')
    >>> first_position([(two, "A", two), (Decimal(0), "A", one)])
    Decimal('2.00000000')
    >>> first_position([(Decimal(0), "B", one), (one, "A", one)]) is None  # or began with one
    True
    """
    starts: Counter[Decimal] = Counter()
    ends: Counter[Decimal] = Counter()
    for start, side, size in legs:
        starts[round(start, _DECIMALS)] += 1
        ends[round(start + size if side == "B" else start - size, _DECIMALS)] += 1
    firsts = starts - ends
    return next(iter(firsts)) if len(firsts) == 1 else None


def finding(trader: Trader, known: History, cutoff_ms: int) -> Finding:
    """Judge a trader by the fills of the API and of the warehouse together."""
    times = [trader.first_trade_time, trader.last_trade_time]
    times += [time for time in (known.first_fill, known.last_fill) if time is not None]
    first = min(times)
    # The warehouse may know fills that the API does not give any more.
    complete = known.history_complete and known.first_fill == first
    return Finding(
        user_address=trader.user_address,
        is_new=is_new(first, cutoff_ms, history_complete=complete),
        first_fill=first,
        last_fill=max(times),
        api_closed_pnl=known.closed_pnl,
        db_net_pnl=trader.net_pnl,
        sharpe_ratio=trader.sharpe_ratio,
        trader_type=trader.trader_type,
        fills_seen=known.fills_seen,
        history_complete=complete,
    )


def is_new(first_fill: int, cutoff_ms: int, *, history_complete: bool) -> bool | None:
    """Whether nothing happened before the cutoff; None where that cannot be known.

    >>> is_new(2, 1, history_complete=True), is_new(2, 1, history_complete=False)
    (True, None)

    A fill before the cutoff settles it, whatever came before that fill.

    >>> is_new(0, 1, history_complete=False)
    False
    """
    if first_fill < cutoff_ms:
        return False
    return True if history_complete else None


def _time(value: object) -> int | None:
    assert value is None or isinstance(value, int)
    return value
