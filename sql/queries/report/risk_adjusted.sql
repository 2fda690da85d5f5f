-- What the trader made for the risk he took. Parameters: user_address, before, window_days.
SELECT
    m.n_obs, m.publishable, m.closed_trades, t.n_days, t.pnl_usd, t.roi, t.roi_reason,
    CASE WHEN t.pnl_usd IS NULL THEN t.roi_reason END   AS pnl_usd_reason,
    m.sharpe_ratio, m.sharpe_ratio_reason, m.sharpe_lower, m.sharpe_upper,
    m.sharpe_ratio_reason                               AS sharpe_bound_reason,
    t.adjusted_sharpe_ratio, t.adjusted_sharpe_ratio_reason,
    t.autocorrelation, t.autocorrelation_reason,
    m.psr_0,
    CASE WHEN m.psr_0 IS NULL THEN coalesce(m.sharpe_ratio_reason, 'too_few_observations') END AS psr_0_reason,
    m.deflated_sharpe, m.deflated_sharpe_reason,
    m.sortino_ratio, m.sortino_ratio_reason,
    t.volatility, t.volatility_reason, t.downside_vol, t.downside_vol_reason,
    t.return_over_max_drawdown, t.return_over_max_drawdown_reason,
    t.calmar_ratio, t.calmar_ratio_reason,
    m.publishable AND t.n_days >= publishing_limit('calmar_days') AS is_long,
    m.profit_factor, m.profit_factor_reason,
    m.win_rate, m.win_rate_lower, m.win_rate_upper, m.win_rate_reason,
    m.closed_trades >= publishing_limit('closed_trades')          AS is_traded
FROM trader_metrics_between(%(before)s, %(window_days)s) AS m
CROSS JOIN LATERAL trader_track(m.user_address, %(before)s, %(window_days)s) AS t
WHERE m.user_address = %(user_address)s
