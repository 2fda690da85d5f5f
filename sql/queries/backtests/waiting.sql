-- What is to be run, or was being run by somebody who may be gone. Parameters: ids, NULL for all.
SELECT backtest_id
FROM backtests
WHERE status IN ('queued', 'running') AND (%(ids)s::bigint[] IS NULL OR backtest_id = ANY(%(ids)s))
ORDER BY requested_at, backtest_id
