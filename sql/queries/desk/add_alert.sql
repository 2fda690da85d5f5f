-- No row where the same is open already.
-- Parameters: trader_id, rule, limit_value, value, as_of, paused.
INSERT INTO alerts (trader_id, rule, limit_value, value, as_of, fired_at, paused)
VALUES (%(trader_id)s, %(rule)s, %(limit_value)s, %(value)s, %(as_of)s, clock_ms(), %(paused)s)
ON CONFLICT (trader_id, rule) WHERE recovered_at IS NULL DO NOTHING
RETURNING alert_id, fired_at
