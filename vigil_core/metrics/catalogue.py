"""The figures of a trader that people are shown, by family: label, unit, formula. Here alone.

A figure's key is a column of the family's statement, under which the value is found; so are the
columns that hold its sample, the reason for an absent value, and whether enough was observed.
"""

from dataclasses import dataclass, field

WINDOWS: dict[str, int | None] = {"7d": 7, "30d": 30, "90d": 90, "all": None}
"""Complete UTC days before `as_of`; None: all that are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number, or a table of them."""

    key: str
    label: str
    unit: str
    """'' for a ratio, which is a fraction; `%` is nowhere a unit of data."""
    formula: str
    n_obs: str
    """Column of the sample's size."""
    reason: str = ""
    """Column of the reason for an absent value; '' for the key with `_reason`."""
    publishable: str = "publishable"
    """Column that says whether the sample is large enough to be shown without a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Figures that belong together and come from one statement."""

    key: str
    label: str
    figures: tuple[Figure, ...] = field(default_factory=tuple)


def _figures(
    n_obs: str, *rows: tuple[str, str, str, str], **more: dict[str, str]
) -> tuple[Figure, ...]:
    """Key, label, unit and formula each; `more` by key: the columns that differ."""
    return tuple(
        Figure(
            key=key,
            label=label,
            unit=unit,
            formula=formula,
            **{"n_obs": n_obs, **more.get(key, {})},
        )
        for key, label, unit, formula in rows
    )


_SAMPLED = {"publishable": "is_sampled"}
_TRADED = {"n_obs": "closed_trades", "publishable": "is_traded"}
_MAX_DRAWDOWN = {"reason": "max_drawdown_reason"}

LEVERAGE = Family(
    key="leverage",
    label="Leverage",
    figures=_figures(
        "exposed_snapshots",
        ("avg_leverage", "Mean leverage", "×",
         "mean of total position value / account value, over snapshots with positions"),
        ("avg_leverage_unconditional", "Mean leverage, flat days too", "×",
         "the same over all snapshots with positive equity, a flat one as 0"),
        ("max_leverage", "Highest leverage", "×", "highest of those ratios"),
        ("leverage_frequency", "Time in each class of leverage", "",
         "snapshots of the class / snapshots with positions"),
        ("leverage_win_rate", "Win rate by leverage at entry", "",
         "won / (won + lost) by peak notional / equity of the last snapshot within 36 h before"),
        ("liquidation_risk", "Risk of liquidation, 7 days", "",
         "chance that a mark touches a liquidation price; needs position margins"),
        ("liquidated_fill_pct", "Fills as a liquidated trader", "",
         "perp fills of his own liquidations / perp fills"),
        ("risk_score", "Risk score", "of 10",
         "10 × weighted mean of leverage, drawdown, volatility, concentration; what is missing is "
         "left out, down to half of the weight"),
        avg_leverage=_SAMPLED,
        avg_leverage_unconditional={"n_obs": "snapshots", **_SAMPLED},
        max_leverage=_SAMPLED,
        leverage_frequency=_SAMPLED,
        leverage_win_rate={"n_obs": "trades", "publishable": "is_traded"},
        liquidation_risk=_SAMPLED,
        liquidated_fill_pct={"n_obs": "fills"},
        risk_score={"n_obs": "n_obs"},
    ),
)  # fmt: skip

RISK_ADJUSTED = Family(
    key="risk_adjusted",
    label="Return for risk",
    figures=_figures(
        "n_obs",
        ("pnl_usd", "Result", "USD",
         "sum of the daily results, marked to market where that is known"),
        ("roi", "Return on peak exposure", "", "result / largest gross exposure in the window"),
        ("sharpe_ratio", "Sharpe ratio", "",
         "mean / sample deviation of daily results, every calendar day, × √365"),
        ("sharpe_lower", "Sharpe ratio, lower bound", "", "Sharpe − 1.96 × its standard error"),
        ("sharpe_upper", "Sharpe ratio, upper bound", "", "Sharpe + 1.96 × its standard error"),
        ("adjusted_sharpe_ratio", "Sharpe ratio, for dependent days", "",
         "Lo's factor in place of √365 where days depend on the day before"),
        ("psr_0", "Probability that it is above 0", "", "Φ(Sharpe / its standard error)"),
        ("deflated_sharpe", "Deflated Sharpe ratio", "",
         "probability that the true Sharpe exceeds the best of as many traders without skill"),
        ("sortino_ratio", "Sortino ratio", "",
         "mean / root mean square of the losing part of daily results, × √365"),
        ("volatility", "Volatility", "", "sample deviation of daily returns × √365"),
        ("downside_vol", "Downside volatility", "",
         "root mean square of the losing part of daily returns × √365"),
        ("autocorrelation", "Dependence on the day before", "",
         "lag-1 autocorrelation of daily returns"),
        ("return_over_max_drawdown", "Return over deepest fall", "", "return / |deepest drawdown|"),
        ("calmar_ratio", "Calmar ratio", "", "return as of a year / |deepest drawdown|"),
        ("profit_factor", "Profit factor", "",
         "sum of winning / |sum of losing| closed trades, net"),
        ("win_rate", "Win rate", "", "won / (won + lost) closed trades, net of fees"),
        ("win_rate_lower", "Win rate, lower bound", "", "Wilson's, 95 %"),
        sharpe_lower={"reason": "sharpe_bound_reason"},
        sharpe_upper={"reason": "sharpe_bound_reason"},
        calmar_ratio={"n_obs": "n_days", "publishable": "is_long"},
        profit_factor=_TRADED,
        win_rate=_TRADED,
        win_rate_lower={"reason": "win_rate_reason", **_TRADED},
    ),
)  # fmt: skip

CONCENTRATION = Family(
    key="concentration",
    label="Token concentration",
    figures=_figures(
        "fills",
        ("concentration_index", "Concentration", "",
         "sum of squared shares of gross exposure, of volume where nothing was held over midnight"),
        ("concentration_index_normalized", "Concentration, normalized", "",
         "(index − 1/n) / (1 − 1/n) with n tokens"),
        ("effective_tokens", "Effective tokens", "tokens", "1 / concentration"),
        ("top_3_exposure", "Three largest tokens", "", "sum of the three largest shares"),
        ("unique_tokens_traded", "Tokens traded", "tokens", "distinct perps with a fill"),
        ("diversification_score", "Diversification", "of 10",
         "10 × (1 − concentration); correlations of tokens are not asked"),
        ("token_distribution", "Shares of tokens", "", "exposure of the token / exposure of all"),
        unique_tokens_traded={"reason": "concentration_index_reason"},
    ),
)  # fmt: skip

DRAWDOWN = Family(
    key="drawdown",
    label="Drawdown and recovery",
    figures=_figures(
        "n_days",
        ("max_drawdown", "Deepest drawdown", "", "least of index / its highest value so far − 1"),
        ("current_drawdown", "Drawdown now", "", "the same on the last day"),
        ("avg_drawdown", "Mean depth", "", "mean depth of all episodes below a peak"),
        ("drawdown_count", "Episodes", "episodes", "runs of days below a peak"),
        ("underwater_pct", "Time below a peak", "", "days below a peak / days"),
        ("drawdown_frequency", "Time in episodes", "",
         "(days below a peak + recovered episodes) / days"),
        ("avg_recovery_time", "Mean recovery", "days",
         "mean days from the deepest day to the recovery"),
        ("longest_drawdown", "Longest episode", "days",
         "days from a peak to the recovery, or until now"),
        ("pain_index", "Pain index", "", "mean of |drawdown|"),
        ("ulcer_index", "Ulcer index", "", "root mean square of drawdown"),
        current_drawdown=_MAX_DRAWDOWN,
        drawdown_count=_MAX_DRAWDOWN,
        underwater_pct=_MAX_DRAWDOWN,
        drawdown_frequency=_MAX_DRAWDOWN,
        longest_drawdown=_MAX_DRAWDOWN,
        pain_index=_MAX_DRAWDOWN,
        ulcer_index=_MAX_DRAWDOWN,
    ),
)  # fmt: skip

SIGNAL_QUALITY = Family(
    key="signal_quality",
    label="Signal quality",
    figures=_figures(
        "decided",
        ("signal_frequency", "Signals a day", "per day", "opening signals / days of the window"),
        ("signal_accuracy", "Accuracy", "", "won / (won + lost), copied or simulated"),
        ("signal_accuracy_lower", "Accuracy, lower bound", "", "Wilson's, 95 %"),
        ("false_positive_rate", "False positives", "", "lost / (won + lost)"),
        ("filter_false_positive_rate", "Losing signals let through", "",
         "losing signals copied / losing signals"),
        ("filter_recall", "Winning signals let through", "",
         "winning signals copied / winning signals"),
        ("avg_confidence", "Mean confidence", "", "mean of stated or calibrated confidence"),
        ("confidence_calibration", "Confidence against outcome", "",
         "hit rate − mean confidence, by class of confidence"),
        ("expected_calibration_error", "Calibration error", "",
         "mean |hit rate − mean confidence| of the classes, by their signals"),
        ("brier_score", "Brier score", "", "mean (confidence − outcome)², outcome 1 if won"),
        ("signal_lag_mean_s", "Lag", "s", "mean time from the leader's fill to our order"),
        ("signal_lag_median_s", "Lag, median", "s", "its median"),
        ("signal_lag_p95_s", "Lag, 95th percentile", "s", "its 95th percentile"),
        ("clock_errors", "Clock errors", "signals", "orders before the leader's fill, left out"),
        ("execution_slippage", "Slippage", "",
         "side × (our price − leader's price) / leader's price, by notional"),
        ("copy_shortfall", "Shortfall", "",
         "(result at the leader's prices − ours) / copied notional, missed signals included"),
        ("copy_rate", "Copied", "", "copied / signals"),
        ("pnl_contribution_usd", "P&L contribution", "USD",
         "net result of copies closed in the window"),
        ("pnl_contribution", "P&L contribution to the account", "",
         "the same / equity of the paper account when the window began"),
        ("consecutive_losses", "Losing run", "losses",
         "losses since the last win; even ones left out"),
        signal_frequency={"n_obs": "signal_count"},
        signal_accuracy_lower={"reason": "signal_accuracy_reason"},
        avg_confidence={"n_obs": "signal_count"},
        confidence_calibration={"n_obs": "calibrated_signals", "reason": "brier_score_reason"},
        expected_calibration_error={"n_obs": "calibrated_signals"},
        brier_score={"n_obs": "calibrated_signals"},
        signal_lag_mean_s={"n_obs": "copied", "reason": "signal_lag_reason"},
        signal_lag_median_s={"n_obs": "copied", "reason": "signal_lag_reason"},
        signal_lag_p95_s={"n_obs": "copied", "reason": "signal_lag_reason"},
        clock_errors={"n_obs": "copied", "reason": "signal_lag_reason"},
        execution_slippage={"n_obs": "copied"},
        copy_shortfall={"n_obs": "closed_copies"},
        copy_rate={"n_obs": "signal_count"},
        pnl_contribution_usd={"n_obs": "closed_copies"},
        pnl_contribution={"n_obs": "closed_copies"},
        consecutive_losses={"reason": "signal_accuracy_reason"},
    ),
)  # fmt: skip

FAMILIES = (LEVERAGE, RISK_ADJUSTED, CONCENTRATION, DRAWDOWN, SIGNAL_QUALITY)
"""In the order in which they are shown."""
