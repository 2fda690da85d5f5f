-- How deep and how long the trader lay below his best. Parameters: user_address, before, window_days.
SELECT
    t.n_days, m.publishable,
    t.max_drawdown, t.max_drawdown_reason,
    t.current_drawdown, t.avg_drawdown, t.avg_drawdown_reason,
    t.drawdown_count, t.underwater_pct, t.drawdown_frequency,
    t.avg_recovery_time, t.avg_recovery_time_reason, t.longest_drawdown,
    t.pain_index, t.ulcer_index
FROM trader_metrics_between(%(before)s, %(window_days)s) AS m
CROSS JOIN LATERAL trader_track(m.user_address, %(before)s, %(window_days)s) AS t
WHERE m.user_address = %(user_address)s
