-- Whoever holds this runs the backtest; it ends with his connection, however that ends.
-- Parameters: backtest_id.
SELECT pg_try_advisory_lock(hashtext('backtests'), %(backtest_id)s::int)
