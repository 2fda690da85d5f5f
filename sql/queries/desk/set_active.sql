-- Switch a trader on or off; `active` NULL: the other way. No row: nothing to change, or it may not be.
UPDATE traders
SET active = coalesce(%(active)s, NOT active),
    version = version + 1, effective_at = data_end(), updated_at = clock_ms(), updated_by = %(by)s
WHERE trader_id = %(trader_id)s AND version = coalesce(%(version)s, version) AND archived_at IS NULL
    AND active IS DISTINCT FROM coalesce(%(active)s, NOT active)
RETURNING *
