-- No row: somebody else was done with it meanwhile. Parameters: backtest_id, started_at, run_id.
UPDATE backtests
SET status = 'running', progress = 0, started_at = %(started_at)s, run_id = %(run_id)s
WHERE backtest_id = %(backtest_id)s AND status IN ('queued', 'running')
RETURNING request::text
