"""Tables of one market → its twelve features at given instants. Live and history are this.

A row at `t` holds what could be known at the instant `t`: a point counts when its time is before
`t`, a candle or bucket when it has ended by `t`, a window of w is [t - w, t). What is undefined
is NULL, its flag 0, and `reasons` says why; no constant stands in for it.

Sums and comparisons of money are made on integers, in units of the last decimal, so no threshold
is crossed by the noise of a float and no figure depends on what lies outside its window.
"""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from vigil_core.artemis.parameters import (
    DEFAULT,
    FEATURES,
    FLAGS,
    MINUTE_MS,
    STEP_MS,
    FeatureParameters,
    Parameters,
)
from vigil_core.artemis.tape_kernel import among, changes, coded, decimals
from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import MONEY

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NO_DATA = "no_data"
INSUFFICIENT_COVERAGE = "insufficient_coverage"
TOO_FEW_OBSERVATIONS = "too_few_observations"
ZERO_DENOMINATOR = "zero_denominator"
ZERO_VARIANCE = "zero_variance"

_KNOWN = ""
REASONS = (
    _KNOWN,
    NO_DATA,
    INSUFFICIENT_COVERAGE,
    TOO_FEW_OBSERVATIONS,
    ZERO_DENOMINATOR,
    ZERO_VARIANCE,
)
"""Why a value is NULL; the first says that it is not."""
_CODE = {reason: code for code, reason in enumerate(REASONS)}

_SCALE = 24
_UNIT = 10**_SCALE
"""All amounts are compared at this scale; a column of money may have any up to it."""
_FLOW_BUCKETS = 12
_RETURNS = 60
_WEEK_MS = 7 * DAY_MS
_MONTH_MS = 30 * DAY_MS
_NEVER = np.iinfo(np.int64).min // 2
"""Stands for the time of no row; half the range, so that a delay may be added."""
_SESSIONS = ((0, 8), (7, 16), (13, 22))

TABLES: dict[str, dict[str, pl.DataType]] = {
    "candles_1m": {"open_time": pl.Int64(), "close": MONEY},
    "candles_5m": {"open_time": pl.Int64(), "high": MONEY, "low": MONEY, "close": MONEY},
    "flow": {
        "recorded_at": pl.Int64(),
        "volume_usd": MONEY,
        "buy_volume_usd": MONEY,
        "sell_volume_usd": MONEY,
    },
    "oi": {
        "recorded_at": pl.Int64(),
        "kind": pl.String(),
        "oi_usd": MONEY,
        "oi_base": MONEY,
        "usable": pl.Boolean(),
    },
    "oi_changes": {"start": pl.Int64(), "end": pl.Int64(), "change_base": MONEY},
    "fills_covered": {"start": pl.Int64(), "end": pl.Int64()},
    "liquidations": {"occurred_at": pl.Int64(), "size_usd": MONEY},
    "liquidations_covered": {"start": pl.Int64(), "end": pl.Int64()},
    "funding": {"time": pl.Int64(), "rate": MONEY},
    "balances": {"recorded_at": pl.Int64()},
    "positions": {
        "recorded_at": pl.Int64(),
        "address": pl.String(),
        "szi": MONEY,
        "position_value": MONEY,
        "liquidation_px": MONEY,
    },
    "bots": {"as_of": pl.Int64(), "address": pl.String()},
}
"""Columns that each table must have; it may have more. Times in ms UTC, intervals half-open.
For money any decimal type of up to 24 places will do."""

_MAY_BE_NULL = {"buy_volume_usd", "sell_volume_usd", "liquidation_px"}

SCHEMA: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "snapshot_at": pl.Int64(),
    **dict.fromkeys(FEATURES, pl.Float64()),
    **dict.fromkeys(FLAGS, pl.Int32()),
    "reasons": pl.String(),
    "price": MONEY,
    "magnet_age_ms": pl.Int64(),
    "oi_kind": pl.String(),
    "oi_age_ms": pl.Int64(),
    "input_max_time": pl.Int64(),
    "feature_version": pl.String(),
}
"""Of the rows that `features` returns, in this order."""

LEGS: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "side": pl.String(),
    "sz": MONEY,
    "start_position": MONEY,
}


def _empty(name: str) -> Any:
    return field(default_factory=partial(pl.DataFrame, schema=TABLES[name]))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTables:
    """What is known of one coin, rows in any order; a table left out is one without rows.

    A table should reach back as far as `t` minus: an hour and a minute for `candles_1m`; 26 h
    and five minutes for `candles_5m` and `oi_changes`; an hour for `flow`; four for liquidations;
    7 days for `oi`; 30 days for `funding`. Rows at or after `t` may be there and are not looked
    at. How far `oi`, `funding` and `balances` reach decides between `no_data` (no row before `t`
    at all) and `insufficient_coverage` (the last one is too old): load live and historical rows
    with the same reach.

    Raises:
        UnexpectedColumns: A table lacks one of the columns in `TABLES`, or has it in another type.
        ValueError: A figure is NULL that may not be, a candle or bucket is off the grid or there
            twice, a price is not positive, or an interval ends before it starts.
    """

    candles_1m: pl.DataFrame = _empty("candles_1m")
    candles_5m: pl.DataFrame = _empty("candles_5m")
    """A candle without trades is a row, flat; one that is not covered is none."""
    flow: pl.DataFrame = _empty("flow")
    """Buckets of five minutes by their start, USD; buys and sells NULL where takers are unknown."""
    oi: pl.DataFrame = _empty("oi")
    """`kind` is `snapshot` or `carried`; rows that are not `usable` (longs and shorts disagree)
    are neither anchor nor observation nor latest."""
    oi_changes: pl.DataFrame = _empty("oi_changes")
    """Change of the sum of all long positions, base units, within [start, end): see
    `oi_changes`. Pieces neither overlap nor straddle an anchor or a mark of five minutes."""
    fills_covered: pl.DataFrame = _empty("fills_covered")
    """Intervals of which every fill, with its start position, is in `oi_changes`."""
    liquidations: pl.DataFrame = _empty("liquidations")
    liquidations_covered: pl.DataFrame = _empty("liquidations_covered")
    """Intervals of which every liquidation is in `liquidations`."""
    funding: pl.DataFrame = _empty("funding")
    """Settled rates, fraction per hour, stamped as the exchange does."""
    balances: pl.DataFrame = _empty("balances")
    """The snapshots of balances taken, also those in which nobody holds this coin."""
    positions: pl.DataFrame = _empty("positions")
    """Of the snapshots in `balances`; `szi` signed base units, `position_value` USD."""
    bots: pl.DataFrame = _empty("bots")
    """Addresses whose profile as of that instant (start of a day) calls them a bot."""

    def __post_init__(self) -> None:
        for item in fields(self):
            _check_columns(item.name, getattr(self, item.name))
        for name, step in (("candles_1m", MINUTE_MS), ("candles_5m", STEP_MS), ("flow", STEP_MS)):
            _check_grid(name, getattr(self, name), step)
        for name in ("oi_changes", "fills_covered", "liquidations_covered"):
            frame = getattr(self, name)
            if (frame["end"] < frame["start"]).any():
                raise ValueError(
                    f"{name}: expected intervals, found one that ends before it starts"
                )


def features(
    tables: MarketTables,
    coin: str,
    times: Sequence[int] | Integers,
    parameters: Parameters = DEFAULT,
) -> pl.DataFrame:
    """One row per instant, in the order given: the features, why they are missing, and from when.

    Args:
        tables: What is known of the coin.
        coin: Its name, only copied.
        times: Instants, ms UTC. Candles and buckets belong to a mark of five minutes; at any
            other instant the features made of them are NULL.
        parameters: Thresholds; `feature_version` names them.

    Returns:
        Columns of `SCHEMA`. `reasons` is JSON (feature → reason, keys sorted, `{}` if nothing is
        NULL). `magnet_age_ms`, `oi_kind` and `oi_age_ms` describe the latest snapshot and the
        latest open interest before `t`, too old ones too. `input_max_time` is the largest time of
        a row that an available feature used (a candle, bucket or carried row counts with its end
        - 1 ms), NULL if there is none, and always before `snapshot_at`.

    Raises:
        ValueError: A piece of `oi_changes` straddles an instant from which changes are added up.
    """
    instants = np.asarray(times, np.int64)
    if not instants.size:
        return pl.DataFrame(schema=SCHEMA)
    limits = parameters.features
    candles = _Prices.of(tables.candles_5m, instants, limits)
    funding = _Funding.of(tables.funding, instants)
    oi = _OpenInterest.of(tables.oi, instants, limits)
    magnet, magnet_age = _liq_magnet(tables, instants, candles, limits)
    cascade, ratio = _liquidations(tables, instants, limits)
    cvd, volume = _flow(tables.flow, instants)
    figures = {
        "liq_magnet_direction": magnet,
        "oi_vs_7d_avg_ratio": oi.ratio(limits),
        "liq_cascade_active": cascade,
        "liq_1h_vs_4h_avg": ratio,
        "funding_vs_30d_zscore": funding.zscore(limits),
        "hours_to_funding": _Figure.without_input((-instants % HOUR_MS) / HOUR_MS),
        "oi_funding_pressure": _oi_funding_pressure(tables, oi, funding, limits),
        "cvd_normalized_5m": cvd,
        "price_change_5m_pct": candles.change(),
        "volume_vs_1h_avg_ratio": volume,
        "realized_vol_1h": _realized_vol(tables.candles_1m, instants),
        "sessions_overlapping": _Figure.without_input(_open_sessions(instants)),
    }
    columns: dict[str, Any] = {"coin": [coin] * instants.size, "snapshot_at": instants}
    columns |= {name: pl.Series(figures[name].values).fill_nan(None) for name in FEATURES}
    columns |= {flag: figures[name].known for flag, name in FLAGS.items()}
    columns["reasons"] = _reasons(figures)
    columns["price"] = candles.price()
    columns["magnet_age_ms"] = magnet_age
    columns["oi_kind"], columns["oi_age_ms"] = oi.kind(), oi.age()
    columns["input_max_time"] = _input_max_time(figures)
    columns["feature_version"] = [parameters.feature_version] * instants.size
    return pl.DataFrame(columns, schema_overrides=SCHEMA).cast(SCHEMA)  # type: ignore[arg-type]


def oi_changes(legs: pl.DataFrame, cuts: Sequence[int] | Integers = ()) -> pl.DataFrame:
    """Fills of one coin, both sides of each trade → how far they moved the open interest.

    The change of all long positions, so a taker who opens against a maker who closes moves
    nothing. Fills of one piece are added; a piece ends at every mark of five minutes and at every
    cut, so that changes can be added up from a cut on.

    Args:
        legs: Columns of `LEGS`: ms UTC, `B` or `A`, base units, signed base units.
        cuts: Instants of the anchors, ms UTC, in any order.

    Returns:
        The table `oi_changes` of `MarketTables`, sorted; no row for a piece without fills.

    Raises:
        UnexpectedColumns: A column is missing, or in another type.
        ValueError: A value is NULL. A fill without start position leaves its time uncovered.
    """
    named = legs.with_columns(pl.lit("").alias("coin"))
    return oi_changes_by_coin(named, cuts).drop("coin")


def oi_changes_by_coin(legs: pl.DataFrame, cuts: Sequence[int] | Integers = ()) -> pl.DataFrame:
    """`oi_changes` of all coins at once; the cuts are the same for each.

    Args:
        legs: Columns of `LEGS`, and `coin`; rows without one are of none.
        cuts: Instants of the anchors, ms UTC, in any order.

    Returns:
        The table `oi_changes` of `MarketTables` with `coin` in front, sorted by coin and start.

    Raises:
        UnexpectedColumns: A column is missing, or in another type.
        ValueError: A value is NULL. A fill without start position leaves its time uncovered.
    """
    _expect_types("legs", legs, {"coin": pl.String(), **LEGS})
    if any(legs[column].null_count() for column in LEGS):
        raise ValueError("legs: expected no NULL, found some: their time is not covered")
    texts = coded(legs["coin"])
    names = texts[1].sort()
    edges = _piece_edges(legs["time"].to_numpy(), np.asarray(cuts, np.int64))
    sums, rows, _ = changes(legs, among(names, texts), len(names), edges)
    moved = np.flatnonzero(rows)
    name, piece = np.divmod(moved, max(edges.size - 1, 1))
    columns = {
        "coin": names.gather(name),
        "start": edges[piece],
        "end": edges[piece + 1],
        "change_base": decimals(sums[moved], MONEY),
    }
    return pl.DataFrame(columns)


def _piece_edges(time: Integers, cuts: Integers) -> Integers:
    """Instants at which pieces with fills begin and end, and those between; sorted."""
    marks = time // STEP_MS
    # Fills mostly come in order: then few are left to sort.
    changed = np.concatenate([marks[:1], marks[1:][marks[1:] != marks[:-1]]])
    begins = np.unique(changed) * STEP_MS
    ends = begins + STEP_MS
    edges = np.union1d(begins, ends)
    inside = cuts[(cuts > edges[0]) & (cuts < edges[-1])] if edges.size else cuts[:0]
    return np.union1d(edges, inside)


@dataclass(slots=True)
class _Figure:
    """One feature at every instant. A value counts only where its reason is the code of known."""

    values: Floats
    """NaN where NULL."""
    reasons: npt.NDArray[np.int8]
    latest: Integers
    """Largest time of a row used, `_NEVER` where none was."""

    @classmethod
    def missing(cls, reasons: npt.NDArray[np.int8]) -> "_Figure":
        """To be filled in where `reasons` has none."""
        return cls(np.full(reasons.size, np.nan), reasons, np.full(reasons.size, _NEVER))

    @classmethod
    def without_input(cls, values: Floats) -> "_Figure":
        return cls(values, np.zeros(values.size, np.int8), np.full(values.size, _NEVER))

    @property
    def known(self) -> Mask:
        return np.equal(self.reasons, _CODE[_KNOWN])

    def rows(self) -> list[int]:
        """Places that have no reason against them yet."""
        return np.flatnonzero(self.known).tolist()

    def put(self, row: int, numerator: int, denominator: int) -> None:
        """Set a quotient of exact numbers; its only rounding is that of the division."""
        if denominator:
            self.values[row] = numerator / denominator
        else:
            self.reasons[row] = _CODE[ZERO_DENOMINATOR]


def _first_reason(*judged: tuple[Mask, str]) -> npt.NDArray[np.int8]:
    masks = [mask for mask, _ in judged]
    codes = [np.int8(_CODE[reason]) for _, reason in judged]
    return np.select(masks, codes, np.int8(_CODE[_KNOWN])).astype(np.int8)


# --- prices ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Prices:
    """The 5m candles that may matter, and which of them ends at each instant."""

    times: Integers
    opens: Integers
    highs: list[int]
    lows: list[int]
    closes: pl.Series
    units: list[int]
    """The closes as integers."""
    last: Integers
    """Place of the candle [t - 5 min, t)."""
    priced: Mask
    """Whether there is one."""

    @classmethod
    def of(cls, candles: pl.DataFrame, times: Integers, limits: FeatureParameters) -> "_Prices":
        reach = limits.max_position_age_ms + STEP_MS
        near = _between(candles, "open_time", times.min() - reach, times.max())
        opens = near["open_time"].to_numpy()
        last, priced = _places(opens, times - STEP_MS)
        highs, lows, units = (_units(near[name]) for name in ("high", "low", "close"))
        return cls(times, opens, highs, lows, near["close"], units, last, priced)

    def price(self) -> pl.Series:
        places = (
            pl.Series(self.last).to_frame("at").select(pl.when(pl.Series(self.priced)).then("at"))
        )
        return self.closes.gather(places["at"])

    def change(self) -> _Figure:
        """Feature 9."""
        before, there = _places(self.opens, self.times - 2 * STEP_MS)
        figure = _Figure.missing(_first_reason((~(there & self.priced), INSUFFICIENT_COVERAGE)))
        for row in figure.rows():
            now, then = self.units[self.last[row]], self.units[before[row]]
            figure.put(row, 100 * (now - then), then)
        figure.latest = self.times - 1
        return figure


def _realized_vol(candles: pl.DataFrame, times: Integers) -> _Figure:
    """Feature 11."""
    near = _between(candles, "open_time", times.min() - (_RETURNS + 1) * MINUTE_MS, times.max())
    opens = near["open_time"].to_numpy()
    # One logarithm per candle, by a function that knows no neighbours: the figure of an instant
    # must not depend on which other instants were asked for.
    logs = [math.log(close) for close in near["close"].cast(pl.Float64)]
    first, whole = _runs(opens, times - (_RETURNS + 1) * MINUTE_MS, _RETURNS + 1, MINUTE_MS)
    figure = _Figure.missing(_first_reason((~whole, INSUFFICIENT_COVERAGE)))
    for row in figure.rows():
        window = logs[first[row] : first[row] + _RETURNS + 1]
        returns = [after - before for before, after in zip(window, window[1:], strict=False)]
        figure.values[row] = 100 * math.sqrt(60) * _sample_deviation(returns)
    figure.latest = times - 1
    return figure


def _sample_deviation(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


# --- flow, liquidations, clock ---------------------------------------------------------------


def _flow(flow: pl.DataFrame, times: Integers) -> tuple[_Figure, _Figure]:
    """Features 8 and 10."""
    near = _between(flow, "recorded_at", times.min() - _FLOW_BUCKETS * STEP_MS, times.max())
    starts = near["recorded_at"].to_numpy()
    last, there = _places(starts, times - STEP_MS)
    buys, sells = (_units(near[f"{side}_volume_usd"]) for side in ("buy", "sell"))
    sided = np.array([b is not None and s is not None for b, s in zip(buys, sells, strict=True)])
    there[there] = sided[last[there]]
    cvd = _Figure.missing(_first_reason((~there, INSUFFICIENT_COVERAGE)))
    for row in cvd.rows():
        buy, sell = buys[last[row]], sells[last[row]]
        cvd.put(row, buy - sell, buy + sell)

    first, whole = _runs(starts, times - _FLOW_BUCKETS * STEP_MS, _FLOW_BUCKETS, STEP_MS)
    volumes = _units(near["volume_usd"])
    ratio = _Figure.missing(_first_reason((~whole, INSUFFICIENT_COVERAGE)))
    for row in ratio.rows():
        window = volumes[first[row] : first[row] + _FLOW_BUCKETS]
        ratio.put(row, _FLOW_BUCKETS * window[-1], sum(window))
    cvd.latest = ratio.latest = times - 1
    return cvd, ratio


def _liquidations(
    tables: MarketTables, times: Integers, limits: FeatureParameters
) -> tuple[_Figure, _Figure]:
    """Features 3 and 4."""
    window = 4 * HOUR_MS
    near = _between(tables.liquidations, "occurred_at", times.min() - window, times.max())
    at = near["occurred_at"].to_numpy()
    sums = _Sums.of(near["size_usd"])
    first, hour, end = (np.searchsorted(at, times - back) for back in (window, HOUR_MS, 0))
    last_hour, four_hours = sums.between(hour, end), sums.between(first, end)
    uncovered = ~_covered(tables.liquidations_covered, times - window, times)
    cascade = _Figure.missing(_first_reason((uncovered, INSUFFICIENT_COVERAGE)))
    ratio = _Figure.missing(cascade.reasons.copy())
    for row in cascade.rows():
        one, four = last_hour[row], four_hours[row]
        above = one > Fraction(limits.cascade_usd) * _UNIT
        cascade.values[row] = above and 4 * one > Fraction(limits.cascade_ratio) * four
        ratio.put(row, 4 * one, four)
    used = end > first
    cascade.latest[used] = ratio.latest[used] = at[end[used] - 1]
    return cascade, ratio


def _open_sessions(times: Integers) -> Floats:
    hour = times % DAY_MS // HOUR_MS
    count = np.zeros(times.size)
    for start, end in _SESSIONS:
        count += (hour >= start) & (hour < end)
    return count


# --- funding ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Funding:
    """Settled rates, and the last one before each instant."""

    times: Integers
    stamps: Integers
    rates: list[int]
    last: Integers
    """Its place; -1 where there is none."""

    @classmethod
    def of(cls, funding: pl.DataFrame, times: Integers) -> "_Funding":
        known = _before(funding, "time", times.max())
        stamps = known["time"].to_numpy()
        return cls(times, stamps, _units(known["rate"]), np.searchsorted(stamps, times) - 1)

    def absent(self) -> Mask:
        return self.last < 0

    def stale(self, limits: FeatureParameters) -> Mask:
        age: Integers = self.times - _take(self.stamps, self.last)
        return np.greater(age, limits.max_funding_age_ms)

    def zscore(self, limits: FeatureParameters) -> _Figure:
        """Feature 5."""
        first = np.searchsorted(self.stamps, self.times - _MONTH_MS)
        figure = _Figure.missing(
            _first_reason(
                (self.absent(), NO_DATA),
                (self.stale(limits), INSUFFICIENT_COVERAGE),
                (self.last + 1 - first < limits.min_funding_rows, TOO_FEW_OBSERVATIONS),
            )
        )
        sums = [0, *accumulate(self.rates)]
        squares = [0, *accumulate(rate * rate for rate in self.rates)]
        for row in figure.rows():
            start, end = int(first[row]), int(self.last[row]) + 1
            n, total = end - start, sums[end] - sums[start]
            # n (n - 1) times the sample variance, without an error: constant rates give 0.
            spread = n * (squares[end] - squares[start]) - total * total
            if spread == 0:
                figure.reasons[row] = _CODE[ZERO_VARIANCE]
                continue
            above_mean = n * self.rates[end - 1] - total
            figure.values[row] = above_mean / math.sqrt(spread) * math.sqrt((n - 1) / n)
        figure.latest = _take(self.stamps, self.last)
        return figure


# --- open interest ---------------------------------------------------------------------------


@dataclass(slots=True)
class _OpenInterest:
    """Usable rows, and the latest one before each instant."""

    times: Integers
    recorded: Integers
    kinds: pl.Series
    usd: list[int]
    last: Integers
    """Place of the latest row known; -1 where there is none."""
    anchors: Integers
    """Times of the snapshots."""
    anchors_known: Integers
    """When each of them was published."""
    anchors_usd: list[int]
    anchors_base: list[int]

    @classmethod
    def of(cls, oi: pl.DataFrame, times: Integers, limits: FeatureParameters) -> "_OpenInterest":
        usable = _before(oi.filter("usable"), "recorded_at", times.max(), "kind")
        recorded, kinds = usable["recorded_at"].to_numpy(), usable["kind"]
        is_snapshot = (kinds == "snapshot").to_numpy()
        # A carried row is known when it is made, and not before the anchor it starts from.
        anchor = np.maximum.accumulate(np.where(is_snapshot, recorded, _NEVER))
        known = np.maximum(recorded, anchor + limits.balances_delay_ms)
        snapshots = usable.filter(pl.Series(is_snapshot))
        return cls(
            times,
            recorded,
            kinds,
            _units(usable["oi_usd"]),
            np.searchsorted(known, times) - 1,
            recorded[is_snapshot],
            known[is_snapshot],
            _units(snapshots["oi_usd"]),
            _units(snapshots["oi_base"]),
        )

    def kind(self) -> pl.Series:
        return self.kinds.gather(_place_or_null(self.last))

    def age(self) -> pl.Series:
        return pl.Series(self.times) - pl.Series(self.recorded).gather(_place_or_null(self.last))

    def ratio(self, limits: FeatureParameters) -> _Figure:
        """Feature 2."""
        recorded = _take(self.recorded, self.last)
        first = np.searchsorted(self.anchors, self.times - _WEEK_MS)
        end = np.searchsorted(self.anchors_known, self.times)
        figure = _Figure.missing(
            _first_reason(
                (self.last < 0, NO_DATA),
                (self.times - recorded > limits.max_position_age_ms, INSUFFICIENT_COVERAGE),
                (end - first < limits.min_oi_snapshots, TOO_FEW_OBSERVATIONS),
            )
        )
        sums = [0, *accumulate(self.anchors_usd)]
        for row in figure.rows():
            start, stop = int(first[row]), int(end[row])
            figure.put(row, self.usd[self.last[row]] * (stop - start), sums[stop] - sums[start])
        is_carried = np.append((self.kinds == "carried").to_numpy(), values=False)
        figure.latest = recorded - is_carried[self.last]
        return figure


def _oi_funding_pressure(
    tables: MarketTables, oi: _OpenInterest, funding: _Funding, limits: FeatureParameters
) -> _Figure:
    """Feature 7."""
    times = oi.times
    last = np.searchsorted(oi.anchors_known, times) - 1
    anchored = _take(oi.anchors, last)
    hour_ago = times - HOUR_MS
    since = np.minimum(anchored, hour_ago)
    figure = _Figure.missing(
        _first_reason(
            (last < 0, NO_DATA),
            (funding.absent(), NO_DATA),
            (times - anchored > limits.max_position_age_ms, INSUFFICIENT_COVERAGE),
            (funding.stale(limits), INSUFFICIENT_COVERAGE),
            (~_covered(tables.fills_covered, since, times), INSUFFICIENT_COVERAGE),
        )
    )
    rows = figure.rows()
    if not rows:
        return figure
    changes = _Changes.of(tables.oi_changes, since[rows].min(), times.max())
    carried = changes.between(anchored[rows], times[rows])
    in_hour = changes.between(hour_ago[rows], times[rows])
    for row, since_anchor, change in zip(rows, carried, in_hour, strict=True):
        before = oi.anchors_base[last[row]] + since_anchor - change
        if before <= 0:
            figure.reasons[row] = _CODE[ZERO_DENOMINATOR]
            continue
        rate = funding.rates[funding.last[row]]
        figure.put(row, 100 * change * rate, before * _UNIT)
    piece = changes.last_before(since, times)
    figure.latest = np.max([anchored, _take(funding.stamps, funding.last), piece], axis=0)
    return figure


@dataclass(slots=True)
class _Changes:
    """Pieces of change, added up between instants at which pieces end."""

    starts: Integers
    ends: Integers
    sums: "_Sums"

    @classmethod
    def of(cls, changes: pl.DataFrame, since: int, until: int) -> "_Changes":
        near = changes.filter((pl.col("end") > since) & (pl.col("end") <= until))
        near = near.sort("start", "end")
        ends = near["end"].to_numpy()
        if (np.diff(ends) < 0).any():
            raise ValueError("oi_changes: expected pieces side by side, found one inside another")
        return cls(near["start"].to_numpy(), ends, _Sums.of(near["change_base"]))

    def between(self, start: Integers, end: Integers) -> list[int]:
        first = np.searchsorted(self.starts, start)
        cut = np.flatnonzero(_take(self.ends, first - 1) > start)
        if cut.size:
            raise ValueError(f"oi_changes: expected a cut at {start[cut[0]]}, a piece straddles it")
        return self.sums.between(first, np.searchsorted(self.ends, end, "right"))

    def last_before(self, since: Integers, end: Integers) -> Integers:
        """Last instant of the last piece in [since, end); `_NEVER` where there is none."""
        latest = _take(self.ends, np.searchsorted(self.ends, end, "right") - 1)
        return np.where(latest > since, latest - 1, _NEVER)


# --- heat map --------------------------------------------------------------------------------


def _liq_magnet(
    tables: MarketTables, times: Integers, candles: _Prices, limits: FeatureParameters
) -> tuple[_Figure, pl.Series]:
    """Feature 1, and the age of the snapshot it is made from."""
    taken = _before(tables.balances, "recorded_at", times.max())["recorded_at"].unique().sort()
    at = taken.to_numpy()
    last = np.searchsorted(at + limits.balances_delay_ms, times) - 1
    age = times - _take(at, last)
    unusable = (age > limits.max_position_age_ms) | ~candles.priced
    figure = _Figure.missing(_first_reason((last < 0, NO_DATA), (unusable, INSUFFICIENT_COVERAGE)))
    maps: dict[tuple[int, int], _HeatMap] = {}
    day = times - times % DAY_MS
    for row in figure.rows():
        key = int(at[last[row]]), int(day[row])
        if key not in maps:
            maps[key] = _HeatMap.of(tables, *key, candles, limits)
        longs, shorts = maps[key].sums(candles, int(candles.last[row]))
        figure.put(row, shorts - longs, shorts + longs)
    figure.latest = times - 1
    return figure, pl.Series(times) - taken.gather(_place_or_null(last))


@dataclass(slots=True)
class _HeatMap:
    """Positions of one snapshot that may still be liquidated, and how far prices went since."""

    longs: "_Levels"
    shorts: "_Levels"
    first: int
    """Place of the first candle since the snapshot."""
    lowest: list[int]
    highest: list[int]
    """Running extremes from that candle on."""
    low_end: Fraction
    high_end: Fraction

    @classmethod
    def of(
        cls,
        tables: MarketTables,
        recorded_at: int,
        day: int,
        candles: _Prices,
        limits: FeatureParameters,
    ) -> "_HeatMap":
        bots = tables.bots.filter(pl.col("as_of") == day)["address"]
        low_end = 1 - Fraction(limits.magnet_range)
        high_end = 1 + Fraction(limits.magnet_range)
        cheapest, dearest = (Fraction(f(candles.units), _UNIT) for f in (min, max))
        usd, px = tables.positions["position_value"], tables.positions["liquidation_px"]
        held = tables.positions.filter(
            pl.col("recorded_at") == recorded_at,
            pl.col("position_value").abs().to_physical() >= _lowest(limits.magnet_min_usd, usd),
            # Far more than half of all positions are nowhere near any price of the day.
            pl.col("liquidation_px").to_physical() >= _lowest(cheapest * low_end, px),
            pl.col("liquidation_px").to_physical() < _lowest(dearest * high_end + 1, px),
        )
        # An address list in a frame: `is_in` of a long series would warn, and is no faster.
        held = held.join(bots.to_frame(), on="address", how="anti").sort("liquidation_px")
        first = int(np.searchsorted(candles.opens, recorded_at))
        return cls(
            _Levels.of(held.filter(pl.col("szi") > 0)),
            _Levels.of(held.filter(pl.col("szi") < 0)),
            first,
            list(accumulate(candles.lows[first:], min)),
            list(accumulate(candles.highs[first:], max)),
            low_end,
            high_end,
        )

    def sums(self, candles: _Prices, place: int) -> tuple[int, int]:
        """USD of longs below and of shorts above the close of the candle, not yet hit."""
        price = below = above = candles.units[place]
        if place >= self.first:
            below = min(price, self.lowest[place - self.first])
            above = max(price, self.highest[place - self.first])
        low = bisect_left(self.longs.prices, math.ceil(price * self.low_end))
        high = bisect_right(self.shorts.prices, math.floor(price * self.high_end))
        below_it = bisect_left(self.longs.prices, below)
        above_it = bisect_right(self.shorts.prices, above)
        longs = self.longs.sums[max(low, below_it)] - self.longs.sums[low]
        return longs, self.shorts.sums[max(high, above_it)] - self.shorts.sums[above_it]


@dataclass(slots=True)
class _Levels:
    """Liquidation prices, ascending, and the USD at all levels before each."""

    prices: list[int]
    sums: list[int]

    @classmethod
    def of(cls, positions: pl.DataFrame) -> "_Levels":
        values = _units(positions["position_value"].abs())
        return cls(_units(positions["liquidation_px"]), [0, *accumulate(values)])


# --- what a row says about itself ------------------------------------------------------------


def _reasons(figures: dict[str, _Figure]) -> list[str]:
    names = sorted(figures)
    texts: dict[bytes, str] = {}
    found = []
    for codes in np.stack([figures[name].reasons for name in names], axis=1):
        key = codes.tobytes()
        if key not in texts:
            reasons = {n: REASONS[code] for n, code in zip(names, codes, strict=True) if code}
            texts[key] = json.dumps(reasons, separators=(",", ":"))
        found.append(texts[key])
    return found


def _input_max_time(figures: dict[str, _Figure]) -> pl.Series:
    used = [np.where(figure.known, figure.latest, _NEVER) for figure in figures.values()]
    latest = pl.Series("latest", np.max(used, axis=0))
    return latest.to_frame().select(pl.when(pl.col("latest") > _NEVER).then("latest"))["latest"]


# --- tables as arrays ------------------------------------------------------------------------


@dataclass(slots=True)
class _Sums:
    """Exact sums over stretches of a column of money."""

    before: pl.Series
    """At place i, the sum of the i values before."""

    @classmethod
    def of(cls, values: pl.Series) -> "_Sums":
        nothing = pl.Series([0], dtype=values.dtype)
        return cls(nothing.append(values.cum_sum().cast(values.dtype)))

    def between(self, first: Integers, end: Integers) -> list[int]:
        """Sums of the values at places first … end - 1; 0 where there are none."""
        upper, lower = (_units(self.before.gather(at)) for at in (np.maximum(first, end), first))
        return [high - low for high, low in zip(upper, lower, strict=True)]


def _units(values: pl.Series) -> list[Any]:
    """Decimals as integers, 1 being `_UNIT`; NULL is None."""
    assert isinstance(values.dtype, pl.Decimal)
    factor = 10 ** (_SCALE - values.dtype.scale)
    physical = values.to_physical().to_list()
    return [None if value is None else value * factor for value in physical]


def _lowest(limit: Decimal | Fraction, values: pl.Series) -> pl.Expr:
    """The physical value from which on such decimals are at or above the limit."""
    assert isinstance(values.dtype, pl.Decimal)
    return pl.lit(math.ceil(Fraction(limit) * 10**values.dtype.scale), pl.Int128)


def _before(frame: pl.DataFrame, column: str, end: int, *then_by: str) -> pl.DataFrame:
    return frame.filter(pl.col(column) < end).sort(column, *then_by)


def _between(frame: pl.DataFrame, column: str, start: int, end: int) -> pl.DataFrame:
    return frame.filter((pl.col(column) >= start) & (pl.col(column) < end)).sort(column)


def _take(values: Integers, places: Integers) -> Integers:
    """Values at these places, `_NEVER` for a place before the first."""
    return np.append(values, _NEVER)[places]


def _place_or_null(places: Integers) -> pl.Series:
    at = pl.Series("at", places).to_frame()
    return at.select(pl.when(pl.col("at") >= 0).then("at"))["at"]


def _places(values: Integers, wanted: Integers) -> tuple[Integers, Mask]:
    """Where each wanted value stands in an ascending array, and whether it is there."""
    places = np.searchsorted(values, wanted)
    return places, np.append(values, _NEVER)[places] == wanted


def _runs(values: Integers, start: Integers, length: int, step: int) -> tuple[Integers, Mask]:
    """Where each run of values `step` apart starts, and whether all of it is there.

    The values are distinct multiples of the step: if the last of the run stands where it must,
    so do those between.
    """
    first, there = _places(values, start)
    last, ended = _places(values, start + (length - 1) * step)
    return first, there & ended & (last - first == length - 1)


def _covered(intervals: pl.DataFrame, start: Integers, end: Integers) -> Mask:
    """Whether each [start, end) lies in the union of the intervals, adjoining ones being one."""
    if intervals.is_empty():
        return np.zeros(start.size, np.bool_)
    ordered = intervals.sort("start")
    starts = ordered["start"].to_numpy()
    reach = np.maximum.accumulate(ordered["end"].to_numpy())
    begins = np.append(True, starts[1:] > reach[:-1])
    ends = reach[np.append(begins[1:], True)]
    place = np.searchsorted(starts[begins], start, "right") - 1
    return np.asarray((place >= 0) & (end <= _take(ends, place)))


# --- checks ----------------------------------------------------------------------------------


def _expect_types(name: str, frame: pl.DataFrame, types: dict[str, pl.DataType]) -> None:
    missing = [
        f"{column} {dtype}"
        for column, dtype in types.items()
        if column not in frame.schema or not _serves(frame.schema[column], dtype)
    ]
    if missing:
        raise UnexpectedColumns(name, missing, [f"{n} {t}" for n, t in frame.schema.items()])


def _serves(found: pl.DataType, expected: pl.DataType) -> bool:
    if isinstance(expected, pl.Decimal):
        return isinstance(found, pl.Decimal) and found.scale <= _SCALE
    return found == expected


def _check_columns(name: str, frame: pl.DataFrame) -> None:
    _expect_types(name, frame, TABLES[name])
    for column in TABLES[name]:
        if column not in _MAY_BE_NULL and frame[column].null_count():
            raise ValueError(f"{name}.{column}: expected no NULL, found some")


def _check_grid(name: str, frame: pl.DataFrame, step: int) -> None:
    opens = frame[next(iter(TABLES[name]))]
    if (opens % step != 0).any() or opens.n_unique() != opens.len():
        raise ValueError(f"{name}: expected one row per {step} ms, found others or one twice")
    prices = [frame[column] for column in TABLES[name] if column in {"high", "low", "close"}]
    if any((price <= 0).any() for price in prices):
        raise ValueError(f"{name}: expected positive prices")
