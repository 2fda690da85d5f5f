"""Lifetime profiles and the position episodes behind their holding time."""

import decimal
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from .aggregates import EXACT, add, grouped, is_spot, total, trader_daily

Row = dict[str, Any]

HOUR_MS = 3_600_000
EIGHT_PLACES = Decimal("0.00000001")
ROOTS = decimal.Context(prec=120)


class Episode(NamedTuple):
    """A position from flat to flat (or through 0), both ends seen."""

    user_address: str
    coin: str
    open_time: int
    close_time: int


class EpisodeReport(NamedTuple):
    """Closed episodes, and what was seen but not counted."""

    closed: list[Episode]
    censored_closes: int
    breaks: int
    still_open: int  # running at the last row, opening seen


def is_perp(coin: str) -> bool:
    """Neither spot nor an outcome token."""
    return not is_spot(coin) and not coin.startswith("#")


def round8(position: Decimal) -> Decimal:
    """Rounded to 8 decimals, ties away from zero."""
    return position.quantize(EIGHT_PLACES, rounding=decimal.ROUND_HALF_UP, context=ROOTS)


def episodes(rows: list[Row]) -> EpisodeReport:
    """Follow every (user, coin) of the perps through its rows in execution order."""
    closed: list[Episode] = []
    censored_closes = 0
    breaks = 0
    still_open = 0
    perps = [row for row in rows if is_perp(row["coin"])]
    for (user, coin), own in grouped(perps, lambda r: (r["user_address"], r["coin"])).items():
        open_time: int | None = None  # None while flat or while the opening was not seen
        previous_end: Decimal | None = None
        for row in sorted(own, key=lambda r: (r["block_number"], r["event_index"])):
            signed = row["sz"] if row["side"] == "B" else -row["sz"]
            start = round8(row["start_position"])
            end = round8(add(row["start_position"], signed))
            if previous_end is not None and start != previous_end:
                breaks += 1
                open_time = None
            previous_end = end
            if start == 0:
                open_time = None if end == 0 else row["time"]
                continue
            flipped = (start > 0 and end < 0) or (start < 0 and end > 0)
            if end == 0 or flipped:
                if open_time is None:
                    censored_closes += 1
                else:
                    closed.append(Episode(user, coin, open_time, row["time"]))
                open_time = row["time"] if flipped else None
        if open_time is not None:
            still_open += 1
    return EpisodeReport(closed, censored_closes, breaks, still_open)


def avg_hold_hours(closed: list[Episode]) -> float | None:
    """Mean hours from opening to closing; None without closed episodes."""
    if not closed:
        return None
    held = sum(episode.close_time - episode.open_time for episode in closed)
    return float(Fraction(held, HOUR_MS * len(closed)))


def ratio(numerator: Decimal | int, denominator: Decimal | int) -> Fraction | None:
    """The exact quotient, None over 0."""
    return None if denominator == 0 else Fraction(numerator) / Fraction(denominator)


def sharpe(daily_pnl: list[Decimal]) -> Decimal | None:
    """Mean over sample deviation times the root of 365, to many digits; None where undefined."""
    days = len(daily_pnl)
    if days < 2 or max(daily_pnl) == min(daily_pnl):
        return None
    values = [Fraction(value) for value in daily_pnl]
    mean = sum(values, Fraction(0)) / days
    variance = sum(((value - mean) ** 2 for value in values), Fraction(0)) / (days - 1)
    squared = mean * mean * 365 / variance
    root = ROOTS.sqrt(ROOTS.divide(Decimal(squared.numerator), Decimal(squared.denominator)))
    return -root if mean < 0 else root


def seed_100k(
    *,
    total_fills: int,
    liquidation_pct: Fraction | None,
    maker_pct: Fraction | None,
    mtm_tv: Fraction | None,
    net_pnl: Decimal,
    sharpe_ratio: Decimal | None,
) -> tuple[str, str | None]:
    """(trader_type, rule) by rule set seed_100k; an undefined input fails its rule."""
    thousandth = Fraction(1, 1000)
    if total_fills == 0:
        return "UNCLASSIFIED", None
    if liquidation_pct is not None and liquidation_pct >= Fraction(20, 100):
        return "LIQUIDATOR", "liquidator"
    makes = maker_pct is not None and maker_pct >= Fraction(70, 100)
    if makes and mtm_tv is not None and abs(mtm_tv) <= thousandth:
        return "HFT", "hft"
    steady = sharpe_ratio is not None and sharpe_ratio >= 1
    earns = mtm_tv is not None and mtm_tv >= thousandth
    if steady and earns and net_pnl >= 100_000:
        return "SMART_DIRECTIONAL", "smart_directional"
    return "RETAIL", "retail"


def lifetime(days: list[Row]) -> Row:
    """What follows from the trader_daily dicts of one trader alone."""

    def count(column: str) -> int:
        return sum(int(day[column]) for day in days)

    def money(column: str) -> Decimal:
        return total(day[column] for day in days)

    fills = count("fill_count")
    volume = money("volume")
    realized = money("realized_pnl")
    fees = money("fees_paid")
    net = EXACT.subtract(realized, fees)
    maker = ratio(count("maker_fills"), fills)
    edge = ratio(realized, volume)
    opened = count("open_long_count") + count("open_short_count")
    liquidated = ratio(count("liquidation_fills"), fills)
    steadiness = sharpe([day["realized_pnl"] for day in days])
    trader_type, rule = seed_100k(
        total_fills=fills,
        liquidation_pct=liquidated,
        maker_pct=maker,
        mtm_tv=edge,
        net_pnl=net,
        sharpe_ratio=steadiness,
    )
    return {
        "trading_days": len(days),
        "total_fills": fills,
        "total_volume": volume,
        "realized_pnl": realized,
        "fees_paid": fees,
        "builder_fees_paid": money("builder_fees_paid"),
        "net_pnl": net,
        "maker_pct": as_float(maker),
        "win_rate": as_float(ratio(count("winning_fills"), count("closing_fills"))),
        "mtm_tv": as_float(edge),
        "long_ratio": as_float(ratio(count("open_long_count"), opened)),
        "liquidation_fills": count("liquidation_fills"),
        "liquidation_volume": money("liquidation_volume"),
        "liquidation_pct": as_float(liquidated),
        "twap_fills": count("twap_fills"),
        "twap_volume": money("twap_volume"),
        "twap_pct": as_float(ratio(money("twap_volume"), volume)),
        "sharpe_ratio": as_float(steadiness),
        "trader_type": trader_type,
        "trader_type_rule": rule,
    }


def as_float(value: Fraction | Decimal | None) -> float | None:
    return None if value is None else float(value)


def trader_profiles(rows: list[Row]) -> list[Row]:
    """One dict per trader over all the rows given."""
    days_of = grouped(trader_daily(rows), lambda day: day["user_address"])
    all_closed = episodes(rows).closed
    result = []
    for user, own in grouped(rows, lambda row: row["user_address"]).items():
        closed = [episode for episode in all_closed if episode.user_address == user]
        result.append(
            {
                "user_address": user,
                "first_trade_time": min(row["time"] for row in own),
                "last_trade_time": max(row["time"] for row in own),
                "unique_coins": len({row["coin"] for row in own}),
                "avg_hold_hours": avg_hold_hours(closed),
            }
            | lifetime(days_of[user])
        )
    return result
