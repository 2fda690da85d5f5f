UPDATE backtests
SET status = 'done',
    progress = 1,
    finished_at = %(finished_at)s,
    inputs_digest = %(inputs_digest)s,
    summary = %(summary)s,
    result = %(result)s,
    result_sha256 = %(result_sha256)s
WHERE backtest_id = %(backtest_id)s
