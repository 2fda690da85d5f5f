UPDATE traders
SET state = 'archived', active = false, paper_trade_only = true, archived_at = clock_ms(),
    version = version + 1, effective_at = data_end(), updated_at = clock_ms(), updated_by = %(by)s
WHERE trader_id = %(trader_id)s AND version = coalesce(%(version)s, version) AND archived_at IS NULL
RETURNING *
