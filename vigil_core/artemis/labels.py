"""Candles after an instant → what a position entered then would have come to.

Targets, never inputs: a label of horizon H is known at t + H. `best_*` leaves at the best price of
the horizon, which takes foresight: it is an upper bound. `ret_*` and `ret_next_*` need none.

All figures are made of integers and rounded once, by the final division, so a net figure of
exactly 0 is 0 and the binary labels agree with the figures beside them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from vigil_core.artemis.parameters import (
    DEFAULT,
    HORIZONS,
    MINUTE_MS,
    NET_THRESHOLDS,
    STEP_MS,
    LabelParameters,
    Parameters,
)
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import MONEY

Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]

COMPLETE = "complete"
PENDING = "pending"
UNAVAILABLE = "unavailable"

NO_DATA = "no_data"
INSUFFICIENT_COVERAGE = "insufficient_coverage"
NOT_APPLICABLE = "not_applicable"

NET_HORIZON = "30m"
"""Whose figures also exist net of fees, with the worst excursion and binary labels."""
LONGEST = "4h"

CANDLES_5M: dict[str, pl.DataType] = {
    "open_time": pl.Int64(),
    "high": MONEY,
    "low": MONEY,
    "close": MONEY,
}
CANDLES_1M: dict[str, pl.DataType] = {
    "open_time": pl.Int64(),
    "open": MONEY,
    "filled": pl.Boolean(),
}

_PERCENT = 100
_SIDES = ("long", "short")


def _columns() -> dict[str, pl.DataType]:
    names: dict[str, pl.DataType] = {
        "snapshot_at": pl.Int64(),
        "label_version": pl.String(),
        "entry_price": MONEY,
    }
    for horizon in HORIZONS:
        names |= {f"best_{side}_roe_{horizon}_gross": pl.Float64() for side in _SIDES}
        names[f"ret_{horizon}"] = pl.Float64()
    names |= {f"best_{side}_roe_{NET_HORIZON}_net": pl.Float64() for side in _SIDES}
    names |= {f"worst_{side}_mae_{NET_HORIZON}": pl.Float64() for side in _SIDES}
    for side in _SIDES:
        names |= {f"label_{side}_net{threshold}": pl.Int32() for threshold in NET_THRESHOLDS}
    names |= {f"{side}_wiped_at_{LONGEST}": pl.Int64() for side in _SIDES}
    names |= {f"wiped_at_{LONGEST}_reason": pl.String()}
    names |= {"entry_price_next": MONEY, "entry_price_next_reason": pl.String()}
    names |= {f"ret_next_{horizon}": pl.Float64() for horizon in HORIZONS}
    names |= {f"status_{horizon}": pl.String() for horizon in HORIZONS}
    return names | {"label_status": pl.String(), "label_end_at": pl.Int64()}


SCHEMA = _columns()
"""Of the rows that `labels` returns, in this order."""


def labels(
    candles_5m: pl.DataFrame,
    candles_1m: pl.DataFrame,
    times: Sequence[int] | Integers,
    known_until: int,
    parameters: Parameters = DEFAULT,
    max_leverage: int | None = None,
) -> pl.DataFrame:
    """One row per instant, in the order given: outcomes of entering at it, where they are known.

    Args:
        candles_5m: Columns of `CANDLES_5M`, from 5 minutes before the first instant to 4 h after
            the last; filled candles count, a candle that is not covered has no row.
        candles_1m: Columns of `CANDLES_1M`, for the five minutes from each instant.
        times: Instants t on marks of five minutes, ms UTC.
        known_until: Only candles that have ended by then exist, whatever the tables hold; ms UTC.
        parameters: Leverage and fees; `label_version` names them.
        max_leverage: The coin's, whole times; None if not known.

    Returns:
        Columns of `SCHEMA`. ROE, MAE: percent of the margin, unclipped; returns: fractions;
        `*_wiped_at_4h`: ms UTC. All figures of a horizon are NULL unless its status is
        `complete`. `wiped_at_4h_reason` is `not_applicable` where the coin does not offer the
        leverage, `no_data` where its maximum is not known, else NULL: then NULL beside a complete
        4h means that the position lived. `entry_price_next` is the open of the first minute with
        a trade in [t, t + 5 min); its reason is `no_data` if there was none and
        `insufficient_coverage` if a minute before it is missing; both NULL if not known yet.

    Raises:
        UnexpectedColumns: A column is missing, or in another type.
        ValueError: An instant or candle is off its grid, a candle is there twice, or a price is
            not positive.
    """
    instants = np.asarray(times, np.int64)
    if (instants % STEP_MS).any():
        raise ValueError(f"expected instants on marks of {STEP_MS} ms, found others")
    five = _known(candles_5m, "candles_5m", CANDLES_5M, STEP_MS, known_until)
    one = _known(candles_1m, "candles_1m", CANDLES_1M, MINUTE_MS, known_until)
    entry = _Entry.of(five, instants, known_until)
    outcomes = {
        name: _Outcome.of(five, instants, candles, entry, known_until)
        for name, candles in HORIZONS.items()
    }
    following = _NextTrade.of(one, instants, known_until)
    columns: dict[str, Any] = {
        "snapshot_at": instants,
        "label_version": [parameters.label_version] * instants.size,
        "entry_price": _gathered(five.frame["close"], entry.places),
        "entry_price_next": _gathered(one.frame["open"], following.places),
        "entry_price_next_reason": following.reasons,
        "label_end_at": instants + HORIZONS[LONGEST] * STEP_MS,
    }
    for name, outcome in outcomes.items():
        columns |= _gross(name, outcome, entry, parameters.labels)
        columns[f"ret_next_{name}"] = [
            None if close is None or price is None else (close - price) / price
            for close, price in zip(outcome.closes, following.prices, strict=True)
        ]
        columns[f"status_{name}"] = outcome.status
    columns |= _net(outcomes[NET_HORIZON], entry, parameters.labels)
    columns |= _wiped(five, outcomes[LONGEST], entry, parameters.labels, max_leverage)
    columns["label_status"] = _row_status([outcome.status for outcome in outcomes.values()])
    ordered = {name: columns[name] for name in SCHEMA}
    return pl.DataFrame(ordered, schema_overrides=SCHEMA)


def liquidation_factors(leverage: int, max_leverage: int) -> tuple[Fraction, Fraction]:
    """Liquidation price / entry price of a lone isolated position, of a long and of a short.

    The maintenance rate is 1 / (2 · `max_leverage`).

    >>> [float(factor) for factor in liquidation_factors(20, 40)]
    [0.9620253164556962, 1.037037037037037]

    Raises:
        ValueError: The leverage is above the coin's maximum.
    """
    if leverage > max_leverage:
        raise ValueError(f"expected a leverage up to {max_leverage}, found {leverage}")
    maintenance = Fraction(1, 2 * max_leverage)
    room = Fraction(1, leverage) - maintenance
    return 1 - room / (1 - maintenance), 1 + room / (1 + maintenance)


# --- what is known ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Candles:
    """Candles that have ended, by time; prices in units of the last decimal."""

    frame: pl.DataFrame
    opens: Integers
    columns: dict[str, list[Any]]

    def run(self, start: Integers, length: int, step: int) -> tuple[Integers, Mask]:
        """Where the run of candles from each start on stands, and whether all of it is there."""
        places = np.searchsorted(self.opens, start)
        ended = np.searchsorted(self.opens, start + length * step)
        # Opens are distinct and on the grid: as many as fit are all of them.
        return places, np.equal(ended - places, length)


def _known(
    candles: pl.DataFrame, name: str, types: dict[str, pl.DataType], step: int, until: int
) -> _Candles:
    missing = [column for column in types if candles.schema.get(column) != types[column]]
    if missing:
        raise UnexpectedColumns(name, missing, [f"{n} {t}" for n, t in candles.schema.items()])
    ended = candles.filter(pl.col("open_time") <= until - step).sort("open_time")
    opens = ended["open_time"]
    if (opens % step != 0).any() or opens.n_unique() != opens.len():
        raise ValueError(f"{name}: expected one row per {step} ms, found others or one twice")
    prices = [column for column, dtype in types.items() if dtype == MONEY]
    if any((ended[column] <= 0).any() for column in prices):
        raise ValueError(f"{name}: expected positive prices")
    return _Candles(ended, opens.to_numpy(), {c: ended[c].to_physical().to_list() for c in types})


@dataclass(slots=True)
class _Entry:
    """The close of the candle that ends at each instant."""

    places: list[int | None]
    prices: list[int | None]
    absent: Mask
    """There is none, and none will come."""

    @classmethod
    def of(cls, candles: _Candles, times: Integers, known_until: int) -> "_Entry":
        places, there = candles.run(times - STEP_MS, 1, STEP_MS)
        prices = _where(there, candles.columns["close"], places)
        known = _where(there, range(candles.opens.size), places)
        return cls(known, prices, ~there & (times <= known_until))


@dataclass(slots=True)
class _Outcome:
    """One horizon: extremes and last close, None where it is not complete."""

    status: list[str]
    highs: list[int | None]
    lows: list[int | None]
    closes: list[int | None]
    first: Integers
    """Place of its first candle."""

    @classmethod
    def of(
        cls, candles: _Candles, times: Integers, length: int, entry: _Entry, known_until: int
    ) -> "_Outcome":
        first, whole = candles.run(times, length, STEP_MS)
        complete = whole & np.array([price is not None for price in entry.prices], np.bool_)
        # No entry price: a final answer, however long the horizon still is.
        pending = ~complete & ~entry.absent & (times + length * STEP_MS > known_until)
        status = np.select([complete, pending], [COMPLETE, PENDING], UNAVAILABLE).tolist()
        highs = _extremes(np.maximum, candles.columns["high"], length)
        lows = _extremes(np.minimum, candles.columns["low"], length)
        closes = candles.columns["close"]
        return cls(
            status,
            _where(complete, highs, first),
            _where(complete, lows, first),
            _where(complete, closes, first + length - 1),
            first,
        )


def _extremes(function: np.ufunc, values: list[int], length: int) -> list[int]:
    """The extreme of each `length` neighbours, by the place of the first of them."""
    found: Objects = np.array(values, object)
    width = 1
    while width < length and found.size:
        # Two windows that overlap are as good as two side by side.
        shift = min(width, length - width)
        found = function(found[:-shift], found[shift:])
        width += shift
    return list(found)


def _where(there: Mask, values: Sequence[int], places: Integers) -> list[int | None]:
    return [
        values[place] if known else None
        for known, place in zip(there.tolist(), places.tolist(), strict=True)
    ]


@dataclass(slots=True)
class _NextTrade:
    """The first minute with a trade from each instant on, or why there is none."""

    places: list[int | None]
    prices: list[int | None]
    reasons: list[str | None]

    @classmethod
    def of(cls, candles: _Candles, times: Integers, known_until: int) -> "_NextTrade":
        opens, is_filled = candles.opens.tolist(), candles.columns["filled"]
        firsts = np.searchsorted(candles.opens, times).tolist()
        places: list[int | None] = []
        reasons: list[str | None] = []
        for time, first in zip(times.tolist(), firsts, strict=True):
            place, reason = _first_traded(opens, is_filled, time, first, known_until)
            places.append(place)
            reasons.append(reason)
        prices = candles.columns["open"]
        return cls(places, [None if p is None else prices[p] for p in places], reasons)


def _first_traded(
    opens: list[int], is_filled: list[bool], time: int, first: int, known_until: int
) -> tuple[int | None, str | None]:
    for nth in range(STEP_MS // MINUTE_MS):
        minute, place = time + nth * MINUTE_MS, first + nth
        if place >= len(opens) or opens[place] != minute:
            # Whether the missing minute had a trade decides, whatever the minutes after it hold.
            is_to_come = minute + MINUTE_MS > known_until
            return None, None if is_to_come else INSUFFICIENT_COVERAGE
        if not is_filled[place]:
            return place, None
    return None, NO_DATA


def _row_status(statuses: list[list[str]]) -> list[str]:
    return [
        next((status for status in (PENDING, UNAVAILABLE) if status in row), COMPLETE)
        for row in zip(*statuses, strict=True)
    ]


# --- figures ---------------------------------------------------------------------------------


def _rows(outcome: _Outcome, entry: _Entry) -> Iterator[tuple[int, int, int, int] | None]:
    """Entry, highest, lowest and last price, or None where the horizon is not complete."""
    columns = (entry.prices, outcome.highs, outcome.lows, outcome.closes)
    for price, high, low, close in zip(*columns, strict=True):
        if price is None or high is None or low is None or close is None:
            yield None
        else:
            yield price, high, low, close


def _gross(
    name: str, outcome: _Outcome, entry: _Entry, parameters: LabelParameters
) -> dict[str, list[float | None]]:
    gain = _PERCENT * parameters.leverage
    best_long, best_short, final = (
        f"best_long_roe_{name}_gross",
        f"best_short_roe_{name}_gross",
        f"ret_{name}",
    )
    columns: dict[str, list[float | None]] = {best_long: [], best_short: [], final: []}
    for row in _rows(outcome, entry):
        price, high, low, close = row or (None, 0, 0, 0)
        columns[best_long].append(price and gain * (high - price) / price)
        columns[best_short].append(price and gain * (price - low) / price)
        columns[final].append(price and (close - price) / price)
    return columns


def _net(
    outcome: _Outcome, entry: _Entry, parameters: LabelParameters
) -> dict[str, list[float | None]]:
    gain = _PERCENT * parameters.leverage
    fee = Fraction(parameters.fee_open + parameters.fee_close) * gain
    names = [name for name in SCHEMA if "_net" in name or "_mae_" in name]
    columns: dict[str, list[float | None]] = {name: [] for name in names}
    for row in _rows(outcome, entry):
        if row is None:
            for values in columns.values():
                values.append(None)
            continue
        price, high, low, _ = row
        sides = (("long", high - price, low - price), ("short", price - low, price - high))
        for side, best, worst in sides:
            # Net = net / (price · denominator of the fee), in whole numbers.
            net = gain * best * fee.denominator - fee.numerator * price
            whole = price * fee.denominator
            columns[f"best_{side}_roe_{NET_HORIZON}_net"].append(net / whole)
            columns[f"worst_{side}_mae_{NET_HORIZON}"].append(min(0, gain * worst) / price)
            for threshold in NET_THRESHOLDS:
                columns[f"label_{side}_net{threshold}"].append(int(net > threshold * whole))
    return columns


def _wiped(
    candles: _Candles,
    outcome: _Outcome,
    entry: _Entry,
    parameters: LabelParameters,
    max_leverage: int | None,
) -> dict[str, list[Any]]:
    """When the low (high) first reached the liquidation price of the long (short)."""
    reason = None
    if max_leverage is None:
        reason = NO_DATA
    elif parameters.leverage > max_leverage:
        reason = NOT_APPLICABLE
    count = len(outcome.status)
    columns: dict[str, list[Any]] = {f"{side}_wiped_at_{LONGEST}": [] for side in _SIDES}
    columns[f"wiped_at_{LONGEST}_reason"] = [reason] * count
    if max_leverage is None or reason is not None:
        return columns | {f"{side}_wiped_at_{LONGEST}": [None] * count for side in _SIDES}
    long_factor, short_factor = liquidation_factors(parameters.leverage, max_leverage)
    highs, lows = candles.columns["high"], candles.columns["low"]
    for row, first in zip(_rows(outcome, entry), outcome.first.tolist(), strict=True):
        ends: list[int | None] = [None, None]
        if row is not None:
            price, high, low, _ = row
            window = slice(first, first + HORIZONS[LONGEST])
            # Most positions live; only the others need their candles looked through.
            if low <= price * long_factor:
                reached = (value <= price * long_factor for value in lows[window])
                ends[0] = _first_end(candles.opens[window], reached)
            if high >= price * short_factor:
                reached = (value >= price * short_factor for value in highs[window])
                ends[1] = _first_end(candles.opens[window], reached)
        for side, end in zip(_SIDES, ends, strict=True):
            columns[f"{side}_wiped_at_{LONGEST}"].append(end)
    return columns


def _first_end(opens: Integers, reached: Iterable[bool]) -> int:
    """When the first candle that reached it was over."""
    return next(int(at) for at, is_hit in zip(opens, reached, strict=False) if is_hit) + STEP_MS


def _gathered(prices: pl.Series, places: list[int | None]) -> pl.Series:
    return prices.gather(pl.Series(places, dtype=pl.Int64))
