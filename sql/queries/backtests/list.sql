-- The newest before a number, without their results. Parameters: before (NULL: all), most.
SELECT
    backtest_id, request, request_sha256, inputs_digest, status, progress, requested_at,
    requested_by, started_at, finished_at, run_id, summary, NULL::text AS result, result_sha256, error
FROM backtests
WHERE %(before)s::bigint IS NULL OR backtest_id < %(before)s
ORDER BY backtest_id DESC
LIMIT %(most)s
