SELECT pg_advisory_unlock(hashtext('backtests'), %(backtest_id)s::int)
