-- The first to say so stays. Parameters: intent_id, by.
UPDATE intents
SET acknowledged_at = coalesce(acknowledged_at, clock_ms()),
    acknowledged_by = coalesce(acknowledged_by, %(by)s)
WHERE intent_id = %(intent_id)s
RETURNING acknowledged_at, acknowledged_by
