UPDATE backtests
SET status = 'failed', finished_at = %(finished_at)s, error = %(error)s
WHERE backtest_id = %(backtest_id)s
