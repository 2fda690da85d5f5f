"""When two traders are one trade, and what their radar shows (reference of the metrics, 12)."""

LEAST_COMMON_DAYS = 30
"""Fewer say nothing about a correlation."""

REDUNDANT_ABOVE = 0.8
"""Correlation of daily results from which on two traders are one trade."""

FEWEST, MOST = 2, 6
"""Traders that can be compared at a time."""

AXES = (
    ("percentile_sharpe_ratio", "Sharpe"),
    ("percentile_roi", "ROI"),
    ("percentile_max_drawdown", "Shallow drawdown"),
    ("percentile_win_rate", "Win rate"),
    ("percentile_avg_leverage", "Low leverage"),
    ("percentile_diversification_score", "Diversification"),
)
"""Column of `published_traders` and name of each axis, in the order of the clock."""
