-- No row: archived, or by now of another version. Parameters: trader_id, version, live_ready, by.
UPDATE traders
SET state = CASE WHEN %(live_ready)s THEN 'live_ready' ELSE 'paper' END,
    paper_trade_only = NOT %(live_ready)s, version = version + 1,
    effective_at = greatest(effective_at, data_end()), updated_at = clock_ms(), updated_by = %(by)s
WHERE trader_id = %(trader_id)s AND version = %(version)s AND archived_at IS NULL
RETURNING trader_id
