"""Daily results of many traders without a single fill: who has skill is known.

A day of a trader is a draw with heavy tails around what the trader can do: skill is a mean, luck
is none. Volumes are skewed, some begin late, some trade on few days, and some stop, losers sooner
than winners. A part of every result is the market's, which all share to a different degree.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from vigil_core.calendar import DAY_MS
from vigil_core.fills.schema import MONEY, MONEY_SCALE
from vigil_core.metrics.persistence import DAILY

SKILLED, LUCKY = "skilled", "lucky"

_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSpec:
    """One world of track records."""

    seed: int
    first_day: int
    """ms, UTC."""
    days: int = 391
    """Ten evaluations of a month behind a formation of three."""
    traders: int = 120
    skilled_share: float = 0.0
    """0: the null world."""
    skill: float = 0.15
    """Mean of a skilled trader's active day, in its standard deviations."""
    fee_rate: float = 0.0
    """Fraction of the volume that a trader without skill loses to fees on average.

    0: results are zero-sum before skill. Fees are a trader's own, so they come again: beware of
    taking the persistence of costs for skill.
    """
    tail_freedom: float = 3.0
    """Of Student's t."""
    market_share: float = 0.3
    """Size of the market's part beside a trader's own."""
    stop_rate: float = 0.002
    """Probability a day to stop, twice that while all is lost, half while all is won."""


@dataclass(frozen=True, slots=True)
class TrackRecords:
    """What came of a spec."""

    daily: pl.DataFrame
    """Columns of `persistence.DAILY`."""
    days: dict[int, float]
    """Day (ms) → 1: all of it is there."""
    truth: dict[str, str]
    """Address → `skilled` or `lucky`."""


def track_records(spec: TrackSpec) -> TrackRecords:
    """Draw a world; equal specs give equal worlds."""
    chance = np.random.default_rng(spec.seed)
    shape = (spec.traders, spec.days)
    is_skilled = np.arange(spec.traders) < round(spec.skilled_share * spec.traders)
    usual_volume = np.exp(chance.normal(13, 1.5, (spec.traders, 1)))
    volume = usual_volume * np.exp(chance.normal(0, 0.7, shape))
    deviation = 0.01 * usual_volume
    net = deviation * (_luck(spec, chance) + spec.skill * is_skilled[:, None])
    fees = 0.0004 * volume
    # Without a fee rate what is lost to fees is won by the trades themselves.
    pnl = net + fees - spec.fee_rate * volume
    is_there = _presence(spec, chance, net)
    addresses = [f"0x51b0{spec.seed:018x}{number:018x}" for number in range(spec.traders)]
    trader, day = np.nonzero(is_there)
    days = [spec.first_day + number * DAY_MS for number in range(spec.days)]
    daily = pl.DataFrame(
        {
            "user_address": pl.Series(addresses).gather(trader),
            "day": pl.Series(days).gather(day),
            "pnl": _money(pnl[is_there]),
            "fees": _money(fees[is_there]),
            "volume": volume[is_there].round(2),
        },
        schema=DAILY,
    )
    kinds = (SKILLED if skilled else LUCKY for skilled in is_skilled)
    return TrackRecords(daily, dict.fromkeys(days, 1.0), dict(zip(addresses, kinds, strict=True)))


def _luck(spec: TrackSpec, chance: np.random.Generator) -> Any:
    """Of each trader and day: mean 0, deviation 1."""
    freedom = spec.tail_freedom
    own, market = (
        chance.standard_t(freedom, shape) * (1 - 2 / freedom) ** 0.5
        for shape in ((spec.traders, spec.days), (1, spec.days))
    )
    beta = spec.market_share * chance.normal(size=(spec.traders, 1))
    return (own + beta * market) / np.sqrt(1 + beta**2)


def _presence(spec: TrackSpec, chance: np.random.Generator, net: Any) -> Any:
    """Who trades on which days: from a start to a stop, and not on all between."""
    shape = net.shape
    trades = chance.random(shape) < chance.uniform(0.3, 1, (spec.traders, 1))
    begins = np.where(
        chance.random((spec.traders, 1)) < 0.3, chance.integers(0, spec.days, (spec.traders, 1)), 0
    )
    trades &= np.arange(spec.days) >= begins
    earned = np.cumsum(net * trades, axis=1)
    stops = chance.random(shape) < spec.stop_rate * np.where(earned < 0, 2, 0.5)
    return trades & (np.cumsum(stops, axis=1) - stops == 0)


def _money(usd: Any) -> pl.Series:
    """Whole millionths of a dollar, exact."""
    micro = pl.lit(pl.Series(np.rint(usd * _MICRO).astype(np.int64))).cast(pl.Int128)
    return pl.select((micro * (10**MONEY_SCALE // _MICRO)).reinterpret(dtype=MONEY)).to_series()
