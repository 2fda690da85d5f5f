"""The formulas of the metrics against the worked vectors, and at their edges."""

import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.reference.shared_files import metric_vectors
from tests.resources.conftest import Call
from vigil_core.metrics.persistence import figures

Row = dict[str, Any]

API_NAMES = {
    "sharpe": "sharpe_ratio",
    "sortino": "sortino_ratio",
    "calmar": "calmar_ratio",
    "avg_recovery_time_days": "avg_recovery_time",
    "avg_drawdown_duration_days": "avg_drawdown_duration",
    "longest_drawdown_days": "longest_drawdown",
    "normalized_components": "risk_components",
}
"""The vectors' names, where the columns have others."""


def assert_close(found: Any, expected: Any, name: str = "") -> None:
    """Equal, numbers within the vectors' tolerance."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), name
        for key, value in expected.items():
            assert_close(found[key], value, f"{name} {key}")
    elif isinstance(expected, float) and found is not None:
        assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12), (name, found, expected)
    else:
        assert found == expected, name


def assert_as_expected(row: Row, case: Row, *, beside: tuple[str, ...] = ()) -> None:
    """All that a case expects is in the row, with its reasons; `beside` is tested elsewhere."""
    reasons = case.get("null_reasons", {})
    for key, value in case["expected"].items():
        if key in beside:
            continue
        name = API_NAMES.get(key, key)
        assert_close(row[name], value, name)
        if f"{name}_reason" in row:
            assert row[f"{name}_reason"] == reasons.get(key), name
        else:
            assert key not in reasons


def decimals(values: list[Any]) -> list[Decimal]:
    return [Decimal(str(value)) for value in values]


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=i) for i in range(count)]


def case_named(suite: str, name: str) -> Any:
    return pytest.mark.parametrize("case", [p for p in metric_vectors(suite) if p.id == name])


def cases_with(suite: str, key: str, part: str = "inputs") -> list[Any]:
    """The cases of a suite that give, or expect, this."""
    return [p for p in metric_vectors(suite) if key in p.values[0][part]]


# --- Returns


def sharpe_from(rows_of: Call, n: int, amounts: list[Decimal]) -> Row:
    sums = {f"sum{k}": sum((a**k for a in amounts), Decimal()) for k in (1, 2, 3, 4)}
    [row] = rows_of("sharpe_from_sums", n=n, **sums)
    return row


@pytest.mark.parametrize("case", cases_with("returns_ratios", "daily_returns"))
def test_returns(rows_of: Call, case: Row) -> None:
    params = case.get("params", {})
    arguments = {
        "returns": case["inputs"]["daily_returns"],
        "benchmark": case["inputs"].get("benchmark_returns"),
        "mar": params.get("mar_daily", 0.0),
        "rf_annual": params.get("rf_annual", 0.0),
    }

    [row] = rows_of("return_metrics", **arguments)

    assert_as_expected(row, case, beside=("psr_1", "expected_max_sharpe", "deflated_sharpe"))


@case_named("returns_ratios", "missing_days_are_zero")
def test_quiet_days_count(rows_of: Call, case: Row) -> None:
    inputs, expected = case["inputs"], case["expected"]
    first, as_of = (date.fromisoformat(inputs[key]) for key in ("series_start", "as_of"))
    days = [date.fromisoformat(day) for day in inputs["pnl_by_active_day_usd"]]
    amounts = list(inputs["pnl_by_active_day_usd"].values())

    [[series]] = [
        row.values()
        for row in rows_of("daily_series", days=days, amounts=amounts, first_day=first, as_of=as_of)
    ]
    [whole] = rows_of("return_metrics", returns=series)
    [active] = rows_of("return_metrics", returns=amounts)
    by_sums = sharpe_from(rows_of, expected["n_calendar_days"], decimals(amounts))

    assert len(series) == expected["n_calendar_days"]
    assert_close(whole["sharpe_ratio"], expected["sharpe"])
    assert_close(by_sums["sharpe_ratio"], expected["sharpe"])
    assert active["n_obs"] == expected["n_active_days"]
    assert_close(active["sharpe_ratio"], expected["sharpe_seed_active_days_sample"])


@case_named("returns_ratios", "probabilistic_and_deflated")
def test_a_ratio_chosen_among_many_is_deflated(
    rows_of: Call, value_of: Callable[..., Any], case: Row
) -> None:
    [row] = rows_of("return_metrics", returns=case["inputs"]["daily_returns"])
    sharpe = {key: row[key] for key in ("sharpe_ratio", "sharpe_se")}
    among = {
        "trials": case["params"]["trials"],
        "variance_of_sharpes": case["params"]["sharpe_variance_across_trials_annual"],
    }

    psr_1 = value_of("probabilistic_sharpe", **sharpe, target=1.0)

    assert_close(psr_1, case["expected"]["psr_1"])
    most = value_of("expected_max_sharpe", **among)
    assert_close(most, case["expected"]["expected_max_sharpe"])
    deflated = value_of("deflated_sharpe", **sharpe, **among)
    assert_close(deflated, case["expected"]["deflated_sharpe"])


@case_named("returns_ratios", "zero_variance")
def test_a_constant_series_is_found_by_its_sums(rows_of: Call, case: Row) -> None:
    returns = decimals(case["inputs"]["daily_returns"])

    row = sharpe_from(rows_of, len(returns), returns)

    assert row == dict.fromkeys(row) | {"sharpe_ratio_reason": "zero_variance"}


@pytest.mark.parametrize("n", [0, 1])
def test_the_sums_of_less_than_two_days_give_no_ratio(rows_of: Call, n: int) -> None:
    row = sharpe_from(rows_of, n, [Decimal(7)] * n)

    assert row == dict.fromkeys(row) | {"sharpe_ratio_reason": "too_few_observations"}


@pytest.mark.parametrize("scale", ["0.01", "1", "1000000"])
def test_sums_and_series_agree(rows_of: Call, scale: str) -> None:
    random = Random(7)
    # A mean a thousand times the deviation cancels most of what a double holds of the squares.
    amounts = [
        Decimal(scale) * (1000 + Decimal(random.randint(-999, 999)) / 1000) for _ in range(400)
    ]

    by_sums = sharpe_from(rows_of, len(amounts), amounts)
    [by_series] = rows_of("return_metrics", returns=[float(a) for a in amounts])

    for name in ("sharpe_ratio", "sharpe_se", "skewness", "kurtosis"):
        assert math.isclose(by_sums[name], by_series[name], rel_tol=1e-9), name


def test_a_benchmark_at_a_constant_distance_has_no_information_ratio(rows_of: Call) -> None:
    benchmark = [0.1, 0.3, -0.2, 0.7]

    [row] = rows_of("return_metrics", returns=[b + 0.1 for b in benchmark], benchmark=benchmark)

    assert row["information_ratio"] is None
    assert row["information_ratio_reason"] == "zero_variance"


@pytest.mark.parametrize(
    ("benchmark", "reason"), [(None, "no_data"), ([0.01], "too_few_observations")]
)
def test_a_missing_benchmark_has_its_reason(
    rows_of: Call, benchmark: list[float] | None, reason: str
) -> None:
    [row] = rows_of("return_metrics", returns=[0.01, -0.02, 0.005], benchmark=benchmark)

    assert row["information_ratio"] is None
    assert row["information_ratio_reason"] == reason


def test_a_day_without_a_return_leaves_what_compounds_undefined(rows_of: Call) -> None:
    [row] = rows_of("return_metrics", returns=[0.01, None, -0.03, 0.02])
    [without] = rows_of("return_metrics", returns=[0.01, -0.03, 0.02])

    for name in ("roi", "cagr", "max_drawdown", "calmar_ratio", "return_over_max_drawdown"):
        assert (row[name], row[f"{name}_reason"]) == (None, "non_positive_equity")
    assert row["n_obs"] == 3
    for name in ("sharpe_ratio", "sortino_ratio", "volatility", "downside_vol"):
        assert_close(row[name], without[name], name)


@pytest.mark.parametrize("returns", [None, []])
def test_no_returns_at_all_are_no_error(rows_of: Call, returns: list[float] | None) -> None:
    [row] = rows_of("return_metrics", returns=returns)

    assert row["n_obs"] == row["calmar_days"] == row["ruin_count"] == 0
    for name in row:
        if f"{name}_reason" in row:
            assert row[name] is None
            assert row[f"{name}_reason"] in ("no_data", "too_few_observations"), name


def test_growth_beyond_any_account_is_undefined_and_no_error(rows_of: Call) -> None:
    [year_of_a_day] = rows_of("growth_metrics", returns=[9.0])
    [nil_base] = rows_of("growth_metrics", returns=[1e60, 1e60])
    [all_but_lost] = rows_of("return_metrics", returns=[-0.999999] * 90)

    assert (year_of_a_day["roi"], year_of_a_day["roi_reason"]) == (9.0, None)
    assert (year_of_a_day["cagr"], year_of_a_day["cagr_reason"]) == (None, "too_few_observations")
    assert (nil_base["roi"], nil_base["roi_reason"]) == (None, "no_capital_base")
    assert (all_but_lost["roi"], all_but_lost["cagr"], all_but_lost["calmar_ratio"]) == (-1, -1, -1)


def test_a_few_days_that_lose_much_lose_all_in_a_year(rows_of: Call) -> None:
    [row] = rows_of("growth_metrics", returns=[-0.9])

    assert (row["cagr"], row["max_drawdown"]) == (-1.0, pytest.approx(-0.9))


def test_calmar_looks_back_over_three_years_and_roi_over_all(rows_of: Call) -> None:
    recent = [0.001, -0.0005, 0.0008] * 365
    [row] = rows_of("return_metrics", returns=[-0.5, *recent])
    [calm] = rows_of("return_metrics", returns=recent)

    assert (row["n_obs"], row["calmar_days"], calm["calmar_days"]) == (1096, 1095, 1095)
    assert_close(row["calmar_ratio"], calm["calmar_ratio"])
    assert row["max_drawdown"] <= -0.5 < calm["max_drawdown"]


def test_dependence_on_the_day_before_scales_the_ratio_down(rows_of: Call) -> None:
    random = Random(3)
    shocks = [random.gauss(0.001, 0.01) for _ in range(300)]
    trending = list(accumulate(shocks, lambda before, shock: 0.6 * before + shock))

    [row] = rows_of("return_metrics", returns=trending)
    [free] = rows_of("return_metrics", returns=shocks)

    mean = sum(trending) / len(trending)
    off = [value - mean for value in trending]

    def rho(lag: int) -> float:
        return sum(a * b for a, b in zip(off, off[lag:], strict=False)) / sum(a * a for a in off)

    variance = 365 + 2 * sum((365 - lag) * rho(lag) for lag in range(1, 11))
    assert_close(row["autocorrelation"], rho(1))
    assert rho(1) > 0.5
    scaled = row["sharpe_ratio"] / math.sqrt(365) * 365 / math.sqrt(variance)
    assert_close(row["adjusted_sharpe_ratio"], scaled)
    assert abs(free["autocorrelation"]) < 0.2
    assert free["adjusted_sharpe_ratio"] == free["sharpe_ratio"]


def test_returns_that_swing_leave_no_variance_to_scale_by(rows_of: Call) -> None:
    # Of a period of six days, ten lags hold more of the falling half.
    [row] = rows_of("return_metrics", returns=[0.03, 0.02, 0.0, -0.01, 0.0, 0.02] * 20)

    assert row["sharpe_ratio"] is not None
    assert row["autocorrelation"] > 0.4
    assert row["adjusted_sharpe_ratio"] is None
    assert row["adjusted_sharpe_ratio_reason"] == "zero_variance"


@pytest.mark.parametrize("x", [-1e6, -60, -38, -37])
def test_a_hopeless_chance_is_next_to_nothing_and_no_error(
    value_of: Callable[..., Any], x: float
) -> None:
    assert 0 <= value_of("normal_cdf", x=x) < 1e-299
    assert value_of("normal_cdf", x=-x) == 1


@pytest.mark.parametrize("trials", [0, 1])
def test_fewer_than_two_trials_are_not_chosen_among(
    value_of: Callable[..., Any], trials: int
) -> None:
    sharpe = {"sharpe_ratio": 1.5, "sharpe_se": 0.7}

    deflated = value_of("deflated_sharpe", **sharpe, trials=trials, variance_of_sharpes=4.0)

    assert deflated == value_of("probabilistic_sharpe", **sharpe)


# --- Capital


def daily_returns(rows_of: Call, days: list[Row]) -> list[Row]:
    return [
        rows_of(
            "modified_dietz",
            equity_start_usd=Decimal(day["equity_start_usd"]),
            equity_end_usd=Decimal(day["equity_end_usd"]),
            flows_usd=decimals([flow["amount_usd"] for flow in day["flows"]]),
            flow_fractions=decimals([flow["day_fraction"] for flow in day["flows"]]),
        )[0]
        for day in days
    ]


@pytest.mark.parametrize("case", cases_with("roi_capital_base", "days"))
def test_returns_on_snapshots_and_flows(rows_of: Call, case: Row) -> None:
    expected = case["expected"]

    found = daily_returns(rows_of, case["inputs"]["days"])
    [growth] = rows_of("growth_metrics", returns=[day["daily_return"] for day in found])

    for day, right in zip(found, expected["daily"], strict=True):
        assert_close(day["daily_return"], right["r"], right["date"])
        assert day["daily_return_reason"] == right.get("reason")
    assert sum(day["pnl_usd"] for day in found) == Decimal(expected["pnl_usd"])
    assert_as_expected(growth, case, beside=("pnl_usd", "capital_basis", "daily"))


@pytest.mark.parametrize("case", cases_with("roi_capital_base", "equity_at_day_start_usd"))
def test_returns_on_snapshots_alone(rows_of: Call, value_of: Callable[..., Any], case: Row) -> None:
    inputs = case["inputs"]
    days = zip(
        decimals(inputs["pnl_by_day_usd"]), decimals(inputs["equity_at_day_start_usd"]), strict=True
    )

    found = [
        rows_of("equity_return", pnl_usd=pnl, capital_usd=equity)[0]["daily_return"]
        for pnl, equity in days
    ]

    for value, right in zip(found, case["expected"]["daily_r"], strict=True):
        assert_close(value, right)
    assert_close(value_of("equity_index", returns=found)[-1] - 1, case["expected"]["roi"])


@pytest.mark.parametrize("case", cases_with("roi_capital_base", "peak_gross_exposure_usd"))
def test_returns_on_the_peak_exposure(rows_of: Call, case: Row) -> None:
    pnl = decimals(case["inputs"]["pnl_by_day_usd"])

    [row] = rows_of(
        "return_on_peak_exposure",
        pnl_usd=sum(pnl),
        peak_gross_exposure_usd=Decimal(str(case["inputs"]["peak_gross_exposure_usd"])),
    )

    assert_as_expected(row | sharpe_from(rows_of, len(pnl), pnl), case)


@pytest.mark.parametrize("case", cases_with("roi_capital_base", "daily_returns_oldest_first"))
def test_windows_are_the_last_days(rows_of: Call, case: Row) -> None:
    returns = case["inputs"]["daily_returns_oldest_first"]
    windows = {"all": None, "30d": 30, "90d": 90}

    found = {k: rows_of("growth_metrics", returns=returns, days=n)[0] for k, n in windows.items()}

    row = {f"roi_{name}": growth["roi"] for name, growth in found.items()}
    row |= {f"roi_{name}_days": growth["n_days"] for name, growth in found.items()}
    row |= {f"roi_{name}_partial": growth["partial_window"] for name, growth in found.items()}
    assert_as_expected(row, case)


def test_a_younger_account_gives_the_days_it_has(rows_of: Call) -> None:
    [row] = rows_of("growth_metrics", returns=[0.1, -0.2], days=30)

    assert (row["n_days"], row["partial_window"]) == (2, True)
    assert_close(row["roi"], 1.1 * 0.8 - 1)


def test_a_loss_beyond_the_capital_is_all_of_it(rows_of: Call) -> None:
    [row] = rows_of("equity_return", pnl_usd=Decimal(-30), capital_usd=Decimal(20))

    assert row == {"daily_return": -1.0, "daily_return_reason": None}


@pytest.mark.parametrize(
    ("start", "daily_return"),
    [
        # At one dollar the day begins at the inflow; above it the dollar and a cent count all day.
        ("1", 100 / (1 + 1000)),
        ("1.01", 100 / (1.01 + 500)),
    ],
)
def test_dust_ends_at_one_dollar(rows_of: Call, start: str, daily_return: float) -> None:
    [row] = daily_returns(
        rows_of,
        [
            {
                "equity_start_usd": start,
                "equity_end_usd": str(Decimal(start) + 1100),
                "flows": [{"day_fraction": "0.5", "amount_usd": "1000"}],
            }
        ],
    )

    assert_close(row["daily_return"], daily_return)


def test_a_day_of_dust_begins_with_its_first_inflow(rows_of: Call) -> None:
    flows = [
        {"day_fraction": "0.1", "amount_usd": "-0.5"},
        {"day_fraction": "0.5", "amount_usd": "1000"},
        {"day_fraction": "0.75", "amount_usd": "200"},
    ]
    day = {"equity_start_usd": "1", "equity_end_usd": "1300.5", "flows": flows}

    [row] = daily_returns(rows_of, [day])

    assert_close(row["daily_return"], 100 / (1 - 0.5 * 0.9 / 0.5 + 1000 + 200 * 0.25 / 0.5))


def test_a_deposit_at_midnight_is_no_capital_of_the_day_before(rows_of: Call) -> None:
    flow = {"day_fraction": "1", "amount_usd": "1000"}
    day = {"equity_start_usd": "0", "equity_end_usd": "1000", "flows": [flow]}

    [row] = daily_returns(rows_of, [day])

    assert row == {
        "pnl_usd": 0,
        "daily_return": None,
        "daily_return_reason": "non_positive_equity",
    }


@pytest.mark.parametrize(
    ("returns", "roi", "track", "ruins"),
    [
        ([0.1, 0.1], 0.21, 0.21, 0),
        ([0.1, -1.0, 0.2, 0.1], -1.0, 1.2 * 1.1 - 1, 1),
        ([-1.0, 0.2, -1.0, 0.3], -1.0, 0.3, 2),
        ([-1.0, None, None, 0.25], None, 0.25, 1),
        ([0.3, -1.0], -1.0, None, 1),
        ([-1.0, 0.2, None], None, None, 1),
    ],
)
def test_a_deposit_after_ruin_begins_a_new_track(
    rows_of: Call,
    value_of: Callable[..., Any],
    returns: list[float | None],
    roi: float | None,
    track: float | None,
    ruins: int,
) -> None:
    [row] = rows_of("growth_metrics", returns=returns)

    assert row["ruin_count"] == ruins
    assert_close(row["roi"], roi)
    assert_close(value_of("track_roi", returns=returns), track)


# --- Drawdown


@pytest.mark.parametrize("case", metric_vectors("drawdown"))
def test_drawdown(rows_of: Call, case: Row) -> None:
    index = {
        "dates": [date.fromisoformat(day) for day in case["inputs"]["dates"]],
        "nav": case["inputs"]["nav"],
    }

    [row] = rows_of("drawdown_metrics", **index, material=case["params"]["material_threshold"])
    episodes = rows_of("drawdown_episodes", **index)

    assert_as_expected(row, case, beside=("episodes",))
    for found, expected in zip(episodes, case["expected"]["episodes"], strict=True):
        as_text = {k: v.isoformat() if isinstance(v, date) else v for k, v in found.items()}
        assert_close(as_text, expected)


@pytest.mark.parametrize("nav", [[], [1.0]])
def test_no_day_has_no_drawdown_figures(rows_of: Call, nav: list[float]) -> None:
    [row] = rows_of("drawdown_metrics", dates=days_from(date(2025, 9, 1), len(nav)), nav=nav)

    reasons = {key: "no_data" for key in row if key.endswith("_reason")}
    assert row == dict.fromkeys(row) | reasons | {"n_days": 0}


def test_an_unknown_value_leaves_drawdowns_unknown(rows_of: Call) -> None:
    days = days_from(date(2025, 9, 1), 3)

    [row] = rows_of("drawdown_metrics", dates=days, nav=[1.0, 0.9, None])

    reasons = {key: "non_positive_equity" for key in row if key.endswith("_reason")}
    assert row == dict.fromkeys(row) | reasons | {"n_days": 2}


def test_an_episode_of_just_the_depth_is_material(rows_of: Call) -> None:
    days = days_from(date(2025, 9, 1), 4)

    [row] = rows_of("drawdown_metrics", dates=days, nav=[1.0, 0.75, 1.0, 0.875], material=0.25)

    assert (row["drawdown_count"], row["drawdown_count_material"]) == (2, 1)


def test_an_index_and_its_returns_fall_alike(rows_of: Call, value_of: Callable[..., Any]) -> None:
    random = Random(5)
    returns = [random.gauss(0, 0.03) for _ in range(200)]
    nav = value_of("equity_index", returns=returns)

    [drawdown] = rows_of("drawdown_metrics", dates=days_from(date(2025, 9, 1), len(nav)), nav=nav)
    [growth] = rows_of("growth_metrics", returns=returns)

    assert_close(drawdown["max_drawdown"], growth["max_drawdown"])
    assert drawdown["max_drawdown"] < -0.1


# --- Tokens


def square(tokens: list[str], pairs: dict[str, float]) -> list[list[float | None]]:
    """As a matrix in the tokens' order; a pair that is not given is unknown."""
    return [[pairs.get(f"{a}|{b}", pairs.get(f"{b}|{a}")) for b in tokens] for a in tokens]


@pytest.mark.parametrize("case", metric_vectors("concentration"))
def test_concentration(rows_of: Call, case: Row) -> None:
    inputs, expected = case["inputs"], case["expected"]
    if "a_daily_returns" in inputs:
        [row] = rows_of(
            "correlation",
            a=inputs["a_daily_returns"],
            b=inputs["b_daily_returns"],
            min_obs=case["params"]["min_obs"],
        )
        assert_as_expected(row, case)
        return
    tokens = list(inputs["exposure_usd"])
    exposures = decimals(list(inputs["exposure_usd"].values()))
    pairs = inputs.get("token_correlation")
    matrix = square(tokens, pairs) if pairs else None

    [row] = rows_of("concentration_metrics", exposures=exposures, correlations=matrix)
    shares = rows_of("token_distribution", tokens=tokens, exposures=exposures)

    assert_as_expected(row, case, beside=("shares",))
    assert_close({s["token"]: s["share"] for s in shares}, expected.get("shares", {}))


def test_an_unknown_correlation_counts_as_one(rows_of: Call) -> None:
    exposures = decimals([60, 40])

    [unknown] = rows_of(
        "concentration_metrics", exposures=exposures, correlations=[[1.0, None], [None, 1.0]]
    )
    # Negative enough to score above what the shares alone would give.
    [hedged] = rows_of(
        "concentration_metrics", exposures=exposures, correlations=[[1.0, -0.5], [-0.5, 1.0]]
    )

    assert_close(unknown["diversification_score"], 0.0)
    assert_close(hedged["diversification_score"], 10 * (1 - (0.36 + 0.16 - 2 * 0.24 * 0.5)))


def test_correlations_that_contradict_each_other_score_no_more_than_ten(rows_of: Call) -> None:
    opposite = [[1.0 if a == b else -1.0 for b in range(3)] for a in range(3)]

    [row] = rows_of("concentration_metrics", exposures=decimals([1, 1, 1]), correlations=opposite)

    assert row["diversification_score"] == 10


def test_correlations_of_tokens_follow_their_places(rows_of: Call) -> None:
    matrix = [[1.0, None, 0.2], [None, None, None], [0.2, None, 1.0]]

    [row] = rows_of("concentration_metrics", exposures=decimals([30, 0, 10]), correlations=matrix)

    together = 0.75**2 + 0.25**2 + 2 * 0.75 * 0.25 * 0.2
    assert_close(row["diversification_score"], 10 * (1 - together))


# --- Comparison


@case_named("comparison_persistence", "return_correlation")
def test_correlation_over_the_common_calendar(rows_of: Call, case: Row) -> None:
    series = {}
    for name in ("a", "b"):
        series[f"days_{name}"] = [date.fromisoformat(day) for day in case["inputs"][name]]
        series[f"returns_{name}"] = list(case["inputs"][name].values())

    [row] = rows_of("return_correlation", **series, min_obs=case["params"]["min_obs"])
    [just] = rows_of("return_correlation", **series, min_obs=case["expected"]["n_days"])
    [few] = rows_of("return_correlation", **series, min_obs=case["expected"]["n_days"] + 1)

    assert_as_expected(row, case)
    assert just == row
    assert row["is_redundant"] is False or row["correlation"] > 0.8
    [default] = rows_of("return_correlation", **series)
    assert default["correlation_reason"] == "too_few_observations"
    assert default["is_redundant"] is None
    assert (few["correlation"], few["correlation_reason"]) == (None, "too_few_observations")


@case_named("comparison_persistence", "token_overlap")
def test_overlap_of_tokens(rows_of: Call, case: Row) -> None:
    books = {}
    for name in ("a", "b"):
        books[f"tokens_{name}"] = list(case["inputs"][name])
        books[f"exposures_{name}"] = decimals(list(case["inputs"][name].values()))

    [row] = rows_of("token_overlap", **books)

    assert_as_expected(row, case)


def test_an_empty_book_overlaps_with_nothing_known(rows_of: Call) -> None:
    full = {"tokens_a": ["BTC"], "exposures_a": decimals([5])}

    [row] = rows_of("token_overlap", **full, tokens_b=["BTC"], exposures_b=decimals([0]))

    assert row == {"token_overlap": None, "token_overlap_reason": "no_data"}


def test_series_that_move_as_one_correlate_by_no_more_than_one(rows_of: Call) -> None:
    a = [0.1 * i for i in range(50)]

    [row] = rows_of("correlation", a=a, b=[-3.3 * value + 1e-3 for value in a], min_obs=30)

    assert -1 <= row["correlation"] < -1 + 1e-12


@case_named("comparison_persistence", "persistence")
def test_persistence_of_a_ranking(rows_of: Call, case: Row) -> None:
    inputs = case["inputs"]

    [row] = rows_of("persistence_metrics", **inputs)
    [unsaid] = rows_of(
        "persistence_metrics",
        **inputs | {"evaluation_metric": [*inputs["evaluation_metric"][:8], 5.0, -0.8]},
    )

    assert_as_expected(row, case)
    # Whatever is given for one who stopped, he made nothing.
    assert unsaid == row


def test_every_persistence_case_of_the_vectors_is_asked_of_the_database() -> None:
    asked = {"return_correlation", "token_overlap", "persistence"}
    assert {case.id for case in metric_vectors("comparison_persistence")} <= asked


@pytest.mark.parametrize("seed", range(20))
def test_persistence_is_that_of_the_test(rows_of: Call, seed: int) -> None:
    """The same figures as `persistence_test` has, ties and stopped traders among them."""
    rng = Random(seed)
    count = rng.randint(2, 40)
    scores = [rng.choice([rng.gauss(0, 1), rng.randint(-2, 2) / 2]) for _ in range(count)]
    stopped = [rng.random() < 0.2 for _ in range(count)]
    outcomes = [
        0.0 if gone else rng.choice([rng.gauss(0, 1), float(rng.randint(-1, 1))])
        for gone in stopped
    ]
    fraction = rng.choice([0.01, 0.1, 0.25, 0.5])
    wanted = figures(np.array(scores), np.array(outcomes), np.array(stopped), fraction)

    [row] = rows_of(
        "persistence_metrics",
        formation_metric=scores,
        evaluation_metric=outcomes,
        stopped_trading=stopped,
        top_fraction=fraction,
    )

    for name, found in row.items():
        if name != "rank_ic_reason":
            assert_close(found, getattr(wanted, name), name)
    assert row["rank_ic_reason"] == wanted.reason


@pytest.mark.parametrize(
    ("scores", "outcomes", "reason"),
    [
        ([], [], "no_data"),
        ([1.0], [2.0], "too_few_observations"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "zero_variance"),
        ([None, 1.0], [1.0, None], "no_data"),
    ],
)
def test_a_ranking_that_says_nothing_has_a_reason(
    row_of: Callable[..., Row], scores: list[Any], outcomes: list[Any], reason: str
) -> None:
    given = {"formation_metric": scores, "evaluation_metric": outcomes}
    arrays = {name: [None if v is None else float(v) for v in vs] for name, vs in given.items()}

    row = row_of("persistence_metrics", **arrays)

    assert (row["rank_ic"], row["rank_ic_reason"]) == (None, reason)


def test_axes_of_the_radar_are_shares_of_the_universe_that_are_worse(rows_of: Call) -> None:
    rows = rows_of(
        "radar_percentiles",
        addresses=["a", "b", "c", "d"],
        sharpe_ratio=[3.0, 1.0, 1.0, None],
        roi=[0.1, 0.2, 0.3, 0.4],
        max_drawdown=[-0.5, -0.1, 0.0, -0.2],
        win_rate=[0.5, None, None, None],
        avg_leverage=[10.0, 1.0, 2.0, 3.0],
        diversification_score=[5.0, 5.0, 5.0, 5.0],
    )

    found = {(row["user_address"], row["axis"]): row for row in rows}
    by_axis = {
        axis: [found[name, axis]["percentile"] for name in "abcd"]
        for axis in dict.fromkeys(row["axis"] for row in rows)
    }
    assert by_axis == {
        "sharpe_ratio": [1.0, 0.25, 0.25, None],
        "roi": [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0],
        "max_drawdown": [0.0, pytest.approx(2 / 3), 1.0, pytest.approx(1 / 3)],
        "win_rate": [None] * 4,
        "avg_leverage": [0.0, 1.0, pytest.approx(2 / 3), pytest.approx(1 / 3)],
        "diversification_score": [0.5] * 4,
    }
    assert found["d", "sharpe_ratio"]["percentile_reason"] == "no_data"
    assert found["a", "win_rate"]["percentile_reason"] == "too_few_observations"
    assert found["a", "sharpe_ratio"]["universe_n"] == 3


# --- Leverage


def leverage(rows_of: Call, snapshots: list[Row]) -> Row:
    known = [s.get("account_mode", "default") == "default" for s in snapshots]
    values = [s["account_value"] if k else None for s, k in zip(snapshots, known, strict=True)]
    gross = [sum(abs(Decimal(p["position_value"])) for p in s["positions"]) for s in snapshots]
    positions = [p for s in snapshots for p in s["positions"]]
    [effective] = rows_of(
        "leverage_metrics",
        account_values=[None if value is None else Decimal(value) for value in values],
        gross_values=decimals(gross),
    )
    [setting] = rows_of(
        "set_leverage_metrics",
        set_leverages=decimals([p["set_leverage"] for p in positions]),
        position_values=decimals([p["position_value"] for p in positions]),
    )
    return effective | setting


@pytest.mark.parametrize("case", metric_vectors("leverage"))
def test_leverage(rows_of: Call, case: Row) -> None:
    assert_as_expected(leverage_row(rows_of, case["id"], case["inputs"]), case)


def leverage_row(rows_of: Call, case_id: str, inputs: Row) -> Row:
    """What the function that a case is about gives, as the vectors name it."""
    if "snapshots" in inputs:
        return leverage(rows_of, inputs["snapshots"])
    if "trades" in inputs:
        rows = rows_of(
            "leverage_win_rate",
            leverages=[trade["leverage"] for trade in inputs["trades"]],
            net_pnls_usd=decimals([trade["net_pnl"] for trade in inputs["trades"]]),
        )
        rates = {r["bucket"]: {key: r[key] for key in ("trades", "win_rate")} for r in rows}
        return {"leverage_win_rate": rates}
    if "margin_equity" in inputs:
        side = {"long": 1, "short": -1}[inputs["side"]]
        [row] = rows_of(
            "liquidation_price",
            mark_price=Decimal(inputs["mark_price"]),
            signed_size=side * Decimal(str(inputs["size"])),
            margin_equity=Decimal(inputs["margin_equity"]),
            asset_max_leverage=Decimal(inputs["asset_max_leverage"]),
        )
        return row
    [row] = rows_of(case_id.rpartition("_")[0], **inputs)
    return row


def test_snapshots_weigh_by_their_time(rows_of: Call) -> None:
    [row] = rows_of(
        "leverage_metrics",
        account_values=decimals([100, 100, 100]),
        gross_values=decimals([200, 500, 0]),
        weights=[3.0, 1.0, 4.0],
    )

    assert_close(row["avg_leverage"], (3 * 2 + 1 * 5) / 4)
    assert_close(row["avg_leverage_unconditional"], (3 * 2 + 1 * 5) / 8)
    assert row["leverage_frequency"]["1x-3x"] == 0.5


def test_classes_of_leverage_begin_at_their_lower_bound(rows_of: Call) -> None:
    [row] = rows_of(
        "leverage_metrics",
        account_values=decimals([10, 10, 10, 10, 10]),
        gross_values=decimals([10, 30, 50, 100, 99]),
    )

    shares = {"lt1x": 0.0, "1x-3x": 0.2, "3x-5x": 0.2, "5x-10x": 0.4, "10x+": 0.2}
    assert row["leverage_frequency"] == shares


@pytest.mark.parametrize("equity", [None, 0, -50])
def test_positions_without_equity_are_skipped_and_counted(
    rows_of: Call, equity: int | None
) -> None:
    values = [Decimal(100), None if equity is None else Decimal(equity)]

    [row] = rows_of("leverage_metrics", account_values=values, gross_values=decimals([200, 200]))

    assert (row["exposed_snapshots"], row["skipped_snapshots"]) == (1, 1)
    assert row["avg_leverage"] == row["avg_leverage_unconditional"] == 2


def test_a_class_without_trades_has_no_rate(rows_of: Call) -> None:
    rows = rows_of("leverage_win_rate", leverages=[2.0], net_pnls_usd=decimals([5]))

    assert [row["bucket"] for row in rows] == [
        "lt1x",
        "1x-3x",
        "3x-5x",
        "5x-10x",
        "10x+",
        "unknown",
    ]
    assert [row["trades"] for row in rows] == [0, 1, 0, 0, 0, 0]
    assert (rows[0]["win_rate"], rows[0]["win_rate_reason"]) == (None, "zero_denominator")
    assert rows[0]["win_rate_lower"] is rows[0]["win_rate_upper"] is None


@pytest.mark.parametrize(
    ("size", "equity", "reason"),
    [
        (0, 50, "not_applicable"),
        # A position that is all paid for is liquidated at a price of 0: never.
        (1, 100, "not_reachable"),
        (1, None, "no_data"),
    ],
)
def test_a_position_without_a_liquidation_price(
    rows_of: Call, size: int, equity: int | None, reason: str
) -> None:
    [row] = rows_of(
        "liquidation_price",
        mark_price=Decimal(100),
        signed_size=Decimal(size),
        margin_equity=None if equity is None else Decimal(equity),
        asset_max_leverage=Decimal(50),
    )

    assert row == {"liquidation_price": None, "liquidation_price_reason": reason}


@pytest.mark.parametrize(
    ("liquidation", "sigma", "risk", "reason"),
    [
        (90.0, None, None, "too_few_observations"),
        (90.0, 0.0, 0.0, None),
        (100.0, 0.0, 1.0, None),
        (100.0, 0.05, 1.0, None),
        (-5.0, None, 0.0, None),
        (90.0, 1e-9, 0.0, None),
    ],
)
def test_liquidation_risk_at_its_edges(
    rows_of: Call, liquidation: float, sigma: float | None, risk: float | None, reason: str | None
) -> None:
    [row] = rows_of(
        "liquidation_risk", mark_price=100.0, liquidation_price=liquidation, sigma_daily=sigma
    )

    assert row == {"liquidation_risk": risk, "liquidation_risk_reason": reason}


# --- Trades


@pytest.mark.parametrize("case", cases_with("trades_from_fills", "win_rate_ci95", "expected"))
def test_win_rate_and_profit_factor(rows_of: Call, case: Row) -> None:
    expected = case["expected"]
    winners = expected["winning_trades"]
    losers = round(winners / expected["win_rate"]) - winners

    [rate] = rows_of("wilson_interval", winners=winners, losers=losers)
    [factor] = rows_of(
        "profit_factor",
        gross_profit_usd=Decimal(expected["gross_profit_usd"]),
        gross_loss_usd=-Decimal(expected["gross_loss_usd"]),
    )

    assert_close(rate["win_rate"], expected["win_rate"])
    for name, right in zip(("lower", "upper"), expected["win_rate_ci95"], strict=True):
        assert_close(rate[f"win_rate_{name}"], right, name)
    assert_close(factor["profit_factor"], expected["profit_factor"])
    assert factor["profit_factor_reason"] == case.get("null_reasons", {}).get("profit_factor")


@pytest.mark.parametrize(
    ("profit", "loss", "factor", "reason"),
    [
        (Decimal(0), Decimal(5), 0.0, None),
        (Decimal(3), Decimal(0), None, "no_losses"),
        (None, None, None, "no_data"),
    ],
)
def test_profit_factor_at_its_edges(
    rows_of: Call, profit: Decimal | None, loss: Decimal | None, factor: Any, reason: str | None
) -> None:
    [row] = rows_of("profit_factor", gross_profit_usd=profit, gross_loss_usd=loss)

    assert row == {"profit_factor": factor, "profit_factor_reason": reason}


def test_who_never_won_may_still_win(rows_of: Call) -> None:
    [row] = rows_of("wilson_interval", winners=0, losers=12)

    assert row["win_rate"] == row["win_rate_lower"] == 0
    # z²/(n + z²)
    assert_close(row["win_rate_upper"], 1.959963984540054**2 / (12 + 1.959963984540054**2))


@pytest.mark.parametrize(
    ("direction", "is_on_book"),
    [
        ("Open Long", True),
        ("Long > Short", True),
        ("Buy", True),
        ("Spot Dust Conversion", True),
        (None, True),
        ("Auto-Deleveraging", False),
        ("Settlement", False),
        ("Net Child Vaults", False),
        ("Liquidated Cross Long", False),
        ("Liquidated Isolated Short", False),
    ],
)
def test_transfers_make_no_price(
    value_of: Callable[..., Any], direction: str | None, is_on_book: bool
) -> None:
    assert value_of("is_on_book", dir=direction) is is_on_book
