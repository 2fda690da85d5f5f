-- One backtest with its result. Parameters: backtest_id.
SELECT
    backtest_id, request, request_sha256, inputs_digest, status, progress, requested_at,
    requested_by, started_at, finished_at, run_id, summary, result, result_sha256, error
FROM backtests
WHERE backtest_id = %(backtest_id)s
