-- The first to say so stays. Parameters: alert_id, by.
UPDATE alerts
SET acknowledged_at = coalesce(acknowledged_at, clock_ms()),
    acknowledged_by = coalesce(acknowledged_by, %(by)s)
WHERE alert_id = %(alert_id)s
