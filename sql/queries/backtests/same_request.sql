-- The same request that is done from the same inputs, or waits, or runs. Parameters:
-- request_sha256, inputs_digest.
SELECT backtest_id
FROM backtests
WHERE request_sha256 = %(request_sha256)s
  AND (status IN ('queued', 'running') OR (status = 'done' AND inputs_digest = %(inputs_digest)s))
ORDER BY backtest_id
LIMIT 1
