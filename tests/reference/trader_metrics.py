"""What the corrected figures are made of, by plain walks over all fills of each trader.

A trader's day: his results, what he held at its end, and how much was at stake. Money in USD,
exact; times in ms, UTC. None is what cannot be known. Figures of a window come from the series of
its days, quiet ones included, by the formulas as they stand in the textbooks.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .aggregates import DAY_MS, ZERO, add, day_of, times, usd
from .profiles import is_perp, round8
from .round_trips import Fill, follow

Held = dict[tuple[str, str], tuple[Decimal, Decimal | None]]
"""By trader and coin: a position and its mark."""


@dataclass(slots=True)
class TraderDay:
    """One trader on one UTC day."""

    fills: int = 0
    volume: Decimal = ZERO
    gross_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    unpriced_fills: int = 0
    unknown_pnl_fills: int = 0
    long_increases: int = 0
    short_increases: int = 0
    liquidated_fills: int = 0
    net_pnl: Decimal | None = ZERO
    mark_to_market_pnl: Decimal | None = ZERO
    exposure_usd: Decimal | None = ZERO
    peak_exposure_usd: Decimal = ZERO
    exposure_usd_ms: Decimal = ZERO
    legs: list[Fill] = field(default_factory=list)


def trader_days(fills: Sequence[Fill], days: Sequence[int]) -> dict[tuple[int, str], TraderDay]:
    """By day and trader, for all who traded or held a perp on that day; `days` are in a row."""
    held: Held = {}
    found: dict[tuple[int, str], TraderDay] = {}
    for day in days:
        legs = [f for f in fills if day_of(f.time) == day and is_perp(f.coin)]
        legs.sort(key=lambda f: (f.time, f.block_number, f.event_index))
        marks = {leg.coin: leg.px for leg in legs}
        users = {leg.user for leg in legs} | {user for user, _ in held}
        after: Held = {}
        for user in users:
            own = [leg for leg in legs if leg.user == user]
            before = {coin: held[who, coin] for who, coin in held if who == user}
            result, left = _one_day(day, own, before, marks)
            found[day, user] = result
            after |= {(user, coin): state for coin, state in left.items()}
        # Who only traded spot has a row as well.
        for fill in fills:
            if day_of(fill.time) == day:
                found.setdefault((day, fill.user), TraderDay())
        held = after
    return found


def _one_day(
    day: int,
    legs: Sequence[Fill],
    before: dict[str, tuple[Decimal, Decimal | None]],
    marks: dict[str, Decimal],
) -> tuple[TraderDay, dict[str, tuple[Decimal, Decimal | None]]]:
    result = TraderDay(legs=list(legs))
    by_coin: dict[str, list[Fill]] = defaultdict(list)
    for leg in legs:
        by_coin[leg.coin].append(leg)
        _count(result, leg)
    left: dict[str, tuple[Decimal, Decimal | None]] = {}
    changes: list[Decimal | None] = []
    at_stake: list[Decimal | None] = []
    at_start = ZERO
    for coin in {*before, *by_coin}:
        position, mark = before.get(coin, (ZERO, None))
        own = by_coin.get(coin, [])
        first_px = own[0].px if own else None
        value: Decimal | None = None if mark is None else times(position, mark)
        if position == 0:
            value = ZERO
        spent, end, broken = ZERO, position, False
        time, px = day, mark if mark is not None else first_px
        if own and own[0].start_position is not None:
            start = round8(own[0].start_position)
        else:
            start = None if own else position
        if px is not None:
            # A fill that does not say where it starts leaves what was held.
            at_start = add(at_start, times(abs(position if start is None else start), px))
        for number, leg in enumerate(own):
            begins, ends = _positions(leg)
            broken |= begins is None or begins != (start if number == 0 else end)
            signed = -leg.sz if leg.side == "B" else leg.sz
            spent = add(spent, times(signed, leg.px))
            if begins is not None and px is not None:
                held_ms = Decimal(leg.time - time)
                result.exposure_usd_ms = add(
                    result.exposure_usd_ms, times(times(abs(begins), px), held_ms)
                )
            time, px, end = leg.time, leg.px, ends  # type: ignore[assignment]
        if end is not None and px is not None:
            held_ms = Decimal(day + DAY_MS - time)
            result.exposure_usd_ms = add(
                result.exposure_usd_ms, times(times(abs(end), px), held_ms)
            )
        if start is None or start != position:
            value = None
        last = marks.get(coin, mark)
        worth = _worth(end, last)
        at_stake.append(None if worth is None else abs(worth))
        if value is None or worth is None or broken:
            changes.append(None)
        else:
            changes.append(add(add(spent, worth), -value))
        if end is not None and end != 0:
            left[coin] = (end, last)
    result.exposure_usd = _sum(at_stake)
    result.peak_exposure_usd = _peak(legs, before, at_start)
    change = _sum(changes)
    if result.unknown_pnl_fills or result.unpriced_fills:
        result.net_pnl = result.mark_to_market_pnl = None
    else:
        result.net_pnl = add(result.gross_pnl, -result.fees)
        result.mark_to_market_pnl = None if change is None else add(change, -result.fees)
    return result, left


def _count(result: TraderDay, leg: Fill) -> None:
    result.fills += 1
    result.volume = add(result.volume, times(leg.px, leg.sz))
    result.gross_pnl = add(result.gross_pnl, leg.closed_pnl or ZERO)
    if leg.closed_pnl is None or leg.fee is None:
        result.unknown_pnl_fills += 1
    if leg.fee is not None:
        row = {"fee_token": leg.fee_token, "coin": leg.coin, "side": leg.side, "px": leg.px}
        fee = usd(leg.fee, row)
        if fee is None:
            result.unpriced_fills += 1
        else:
            result.fees = add(result.fees, fee)
    begins, ends = _positions(leg)
    if begins is not None and ends is not None:
        result.long_increases += ends > 0 and ends > begins
        result.short_increases += ends < 0 and ends < begins
    result.liquidated_fills += leg.liquidated_user == leg.user


def _positions(leg: Fill) -> tuple[Decimal | None, Decimal | None]:
    if leg.start_position is None:
        return None, None
    signed = leg.sz if leg.side == "B" else -leg.sz
    return round8(leg.start_position), round8(add(leg.start_position, signed))


def _worth(position: Decimal | None, mark: Decimal | None) -> Decimal | None:
    if position == 0:
        return ZERO
    return None if position is None or mark is None else times(position, mark)


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    total = ZERO
    for value in values:
        if value is None:
            return None
        total = add(total, value)
    return total


def _peak(
    legs: Sequence[Fill], before: dict[str, tuple[Decimal, Decimal | None]], at_start: Decimal
) -> Decimal:
    """The exposure after each fill, coin by coin at the last price seen by the trader."""
    exposure = peak = at_start
    last_px = {coin: mark for coin, (_, mark) in before.items()}
    for leg in legs:
        begins, ends = _positions(leg)
        px = last_px.get(leg.coin)
        px = leg.px if px is None else px
        if begins is not None and ends is not None:
            exposure = add(exposure, times(abs(ends), leg.px))
            exposure = add(exposure, -times(abs(begins), px))
            peak = max(peak, exposure)
        last_px[leg.coin] = leg.px
    return peak


def window_figures(
    fills: Sequence[Fill], days: Sequence[int], user: str, before: int, window_days: int | None
) -> dict[str, Any] | None:
    """The figures of one trader; None if he was not seen before `before`."""
    by_day = trader_days(fills, days)
    seen = [day for day, who in by_day if who == user and day < before]
    if not seen:
        return None
    start = min(seen)
    if window_days is not None:
        start = max(start, before - window_days * DAY_MS)
    series = [by_day.get((day, user), TraderDay()) for day in range(start, before, DAY_MS)]
    marked = [one.mark_to_market_pnl for one in series]
    is_marked = None not in marked
    results = marked if is_marked else [one.net_pnl for one in series]
    trips, _ = follow(fills)
    closed = [
        trip
        for trip in trips
        if trip.user_address == user and start <= trip.day < before and trip.hold_ms is not None
    ]
    won = sum(trip.net_pnl > 0 for trip in closed if trip.net_pnl is not None)
    lost = sum(trip.net_pnl < 0 for trip in closed if trip.net_pnl is not None)
    is_known = all(trip.net_pnl is not None for trip in closed)
    daily = [float(x) for x in results] if None not in results else None  # type: ignore[arg-type]
    volume = _sum([one.volume for one in series])
    net = _sum([one.net_pnl for one in series])
    exposure = _sum([one.exposure_usd_ms for one in series])
    assert volume is not None
    assert exposure is not None
    return {
        "pnl_basis": "mark_to_market" if is_marked else "realized",
        "calendar_days": len(series),
        "trading_days": sum(one.fills > 0 for one in series),
        "fills": sum(one.fills for one in series),
        "volume_usd": volume,
        "net_pnl": net,
        "mark_to_market_pnl_usd": _sum(marked),
        "net_edge": None if net is None or not volume else float(net / volume),
        "long_ratio": _share(
            sum(one.long_increases for one in series), sum(one.short_increases for one in series)
        ),
        "liquidated_fill_pct": _ratio(
            sum(one.liquidated_fills for one in series), sum(one.fills for one in series)
        ),
        "turnover_per_day": float(volume * DAY_MS / exposure) if exposure else None,
        "closed_trades": len(closed),
        "win_rate": _share(won, lost) if is_known else None,
        "mean_hold_hours": (
            sum(trip.hold_ms or 0 for trip in closed) / len(closed) / 3_600_000 if closed else None
        ),
        "sharpe_ratio": None if daily is None else _sharpe(daily),
        "sortino_ratio": None if daily is None else _sortino(daily),
        "win_rate_days": (
            None if daily is None else _share(sum(x > 0 for x in daily), sum(x < 0 for x in daily))
        ),
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _share(one: int, other: int) -> float | None:
    return _ratio(one, one + other)


def _sharpe(daily: Sequence[float]) -> float | None:
    if len(daily) < 2 or max(daily) == min(daily):
        return None
    return statistics.mean(daily) / statistics.stdev(daily) * math.sqrt(365)


def _sortino(daily: Sequence[float]) -> float | None:
    below = math.sqrt(statistics.mean([min(x, 0) ** 2 for x in daily]))
    if len(daily) < 2 or below == 0:
        return None
    return statistics.mean(daily) / below * math.sqrt(365)
