"""The formulas of the metrics against what other people's code, and a slow walk, make of them."""

import math
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import empyrical
import numpy as np
import pytest
from scipy import stats

from tests.resources.conftest import Call

YEAR = {"annualization": 365}


def normal(random: Random) -> float:
    return random.gauss(0.001, 0.02)


def skewed(random: Random) -> float:
    return random.expovariate(40) - 0.02


def mostly_quiet(random: Random) -> float:
    return random.gauss(0.002, 0.05) if random.random() < 0.2 else 0.0


def near_ruin(random: Random) -> float:
    return random.uniform(-0.6, 0.7)


def drawn(draw: Callable[[Random], float], count: int) -> list[float]:
    random = Random(count + 1)
    return [draw(random) for _ in range(count)]


SERIES = [
    pytest.param(
        drawn(draw, count), drawn(normal, count + 1)[:count], id=f"{draw.__name__}-{count}"
    )
    for draw in (normal, skewed, mostly_quiet, near_ruin)
    for count in (12, 90, 800)
]
RETURNS = pytest.mark.parametrize(("returns", "benchmark"), SERIES)


def close(found: float | None, right: float) -> bool:
    """Within the tolerance; what they call infinite or no number has no value."""
    if found is None or not math.isfinite(right):
        return found is None and not math.isfinite(right)
    return math.isclose(found, right, rel_tol=1e-9, abs_tol=1e-12)


@RETURNS
def test_ratios_of_returns(rows_of: Call, returns: list[float], benchmark: list[float]) -> None:
    [row] = rows_of("return_metrics", returns=returns, benchmark=benchmark)

    r, b = np.array(returns), np.array(benchmark)
    expected = {
        "sharpe_ratio": empyrical.sharpe_ratio(r, **YEAR),
        "sortino_ratio": empyrical.sortino_ratio(r, **YEAR),
        "downside_vol": empyrical.downside_risk(r, **YEAR),
        "volatility": empyrical.annual_volatility(r, **YEAR),
        "max_drawdown": empyrical.max_drawdown(r),
        "cagr": empyrical.cagr(r, **YEAR),
        "calmar_ratio": empyrical.calmar_ratio(r, **YEAR),
        # Theirs is a day's.
        "information_ratio": empyrical.excess_sharpe(r, b) * math.sqrt(365),
        "roi": empyrical.cum_returns_final(r),
        "skewness": stats.skew(r),
        "kurtosis": stats.kurtosis(r, fisher=False),
    }
    for name, right in expected.items():
        assert close(row[name], float(right)), (name, row[name], right)


@RETURNS
def test_what_a_day_must_make(rows_of: Call, returns: list[float], benchmark: list[float]) -> None:
    mar = max(benchmark) / 10

    [row] = rows_of("return_metrics", returns=returns, mar=mar, rf_annual=0.05)

    r = np.array(returns)
    daily = 1.05 ** (1 / 365) - 1
    assert close(row["sharpe_ratio"], empyrical.sharpe_ratio(r, risk_free=daily, **YEAR))
    assert close(row["sortino_ratio"], empyrical.sortino_ratio(r, required_return=mar, **YEAR))


@RETURNS
def test_correlations(
    rows_of: Call, value_of: Callable[..., Any], returns: list[float], benchmark: list[float]
) -> None:
    [row] = rows_of("correlation", a=returns, b=benchmark, min_obs=2)
    off = np.array(returns) - np.mean(returns)

    assert close(row["correlation"], stats.pearsonr(returns, benchmark).statistic)
    for lag in (1, 2, 10):
        right = float(np.sum(off[lag:] * off[:-lag]) / np.sum(off * off))
        assert close(value_of("autocorrelation", series=returns, lag=lag), right), lag


def test_the_standard_error_holds_in_repeated_samples(rows_of: Call) -> None:
    # Skewed returns, whose error the normal formula would miss by a fifth.
    random = Random(11)
    samples = [[skewed(random) + 0.003 for _ in range(250)] for _ in range(400)]

    rows = [rows_of("return_metrics", returns=sample)[0] for sample in samples]

    spread = float(np.std([row["sharpe_ratio"] for row in rows], ddof=1))
    assert float(np.mean([row["sharpe_se"] for row in rows])) == pytest.approx(spread, rel=0.12)


P = [1e-300, 1e-20, 1e-5, 0.01, 0.074, 0.076, 0.3, 0.5, 0.6, 0.924, 0.926, 0.999, 1 - 1e-12]


@pytest.mark.parametrize("p", P)
def test_normal_quantile(value_of: Callable[..., Any], p: float) -> None:
    x = value_of("normal_quantile", p=p)

    assert math.isclose(x, stats.norm.ppf(p), rel_tol=2e-15, abs_tol=1e-16)
    assert math.isclose(value_of("normal_cdf", x=x), p, rel_tol=1e-12)


@pytest.mark.parametrize("p", [None, 0.0, 1.0, -0.1, 1.1])
def test_what_is_no_probability_has_no_quantile(
    value_of: Callable[..., Any], p: float | None
) -> None:
    assert value_of("normal_quantile", p=p) is None


@pytest.mark.parametrize("x", [-40.0, -37.0, -9.5, -1.0, 0.0, 0.3, 2.5, 9.0, 40.0])
def test_normal_cdf(value_of: Callable[..., Any], x: float) -> None:
    assert math.isclose(value_of("normal_cdf", x=x), stats.norm.cdf(x), rel_tol=1e-11)


@pytest.mark.parametrize(("winners", "losers"), [(0, 1), (3, 0), (7, 9), (500, 20), (12, 30_000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson_interval(rows_of: Call, winners: int, losers: int, confidence: float) -> None:
    arguments = {"winners": winners, "losers": losers, "confidence": confidence}

    [row] = rows_of("wilson_interval", **arguments)

    test = stats.binomtest(winners, winners + losers)
    right = test.proportion_ci(confidence_level=confidence, method="wilson")
    assert close(row["win_rate_lower"], right.low)
    assert close(row["win_rate_upper"], right.high)


def walked(days: list[date], nav: list[float]) -> list[dict[str, Any]]:
    """The episodes by walking over the days, one at a time."""
    episodes: list[dict[str, Any]] = []
    peak, peak_date, lowest, is_open = nav[0], days[0], math.inf, False
    for day, value in zip(days, nav, strict=True):
        if value >= peak:
            if is_open:
                episodes[-1]["recovery_date"] = day
            peak, peak_date, lowest, is_open = value, day, math.inf, False
            continue
        if not is_open:
            is_open = True
            episodes.append({"peak_date": peak_date, "start_date": day, "recovery_date": None})
        if value < lowest:
            lowest = value
            episodes[-1] |= {"trough_date": day, "depth": value / peak - 1}
    return episodes


@pytest.mark.parametrize("seed", range(30))
def test_drawdown_episodes(rows_of: Call, seed: int) -> None:
    random = Random(seed)
    days = [date(2025, 9, 1) + timedelta(days=i) for i in range(random.randint(2, 40))]
    # Few values, so that peaks and troughs are met again.
    nav = [float(random.randint(8, 12)) for _ in days]

    found = rows_of("drawdown_episodes", dates=days, nav=nav)
    [row] = rows_of("drawdown_metrics", dates=days, nav=nav)

    episodes = walked(days, nav)
    assert found == episodes
    ends = [episode["recovery_date"] or days[-1] for episode in episodes]
    lengths = [(end - e["peak_date"]).days for end, e in zip(ends, episodes, strict=True)]
    assert row["longest_drawdown"] == max(lengths, default=0)
    assert row["open_drawdown"] == bool(episodes and episodes[-1]["recovery_date"] is None)
    assert row["max_drawdown"] == min((episode["depth"] for episode in episodes), default=0)
