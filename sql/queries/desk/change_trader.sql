-- Set columns of one version of a trader; `version` NULL: of whichever is there. Part: assignments.
-- No row: not there, archived, or by now of another version.
UPDATE traders
SET {assignments},
    version = version + 1, effective_at = data_end(), updated_at = clock_ms(), updated_by = %(by)s
WHERE trader_id = %(trader_id)s AND version = coalesce(%(version)s, version) AND archived_at IS NULL
RETURNING *
