-- Ratios of a daily equity curve against holding BTC. Parameters: dates, nav (the first of each is
-- the day before the first), returns, benchmark; won, lost.
SELECT
    r.n_obs,
    r.sharpe_ratio,
    r.sharpe_ratio_reason,
    r.sharpe_se,
    r.sharpe_se_reason,
    r.sortino_ratio,
    r.sortino_ratio_reason,
    r.volatility,
    r.volatility_reason,
    r.information_ratio,
    r.information_ratio_reason,
    d.max_drawdown,
    d.max_drawdown_reason,
    w.win_rate,
    w.win_rate_lower,
    w.win_rate_upper
FROM return_metrics(
    %(returns)s::double precision[], %(benchmark)s::double precision[]
) AS r
CROSS JOIN drawdown_metrics(%(dates)s::date[], %(nav)s::double precision[]) AS d
CROSS JOIN wilson_interval(%(won)s, %(lost)s) AS w
