-- The window that a trader's figures are of. No row: he was not seen by then. Parameters:
-- user_address, before, window_days.
SELECT window_start, calendar_days, n_obs, coverage, partial_window, pnl_basis, capital_basis
FROM trader_metrics_between(%(before)s, %(window_days)s)
WHERE user_address = %(user_address)s
