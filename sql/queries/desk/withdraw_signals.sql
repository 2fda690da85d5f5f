-- Likewise, where an executor was told of it: it stays, and says that it no longer holds.
-- Parameters: trader_id, starts_at, ends_at, keys.
UPDATE signals
SET outcome = 'withdrawn', settings_version = NULL, size_usd = 0
WHERE trader_id = %(trader_id)s AND source = 'fills'
  AND leader_time >= %(starts_at)s AND leader_time < %(ends_at)s
  AND source_key <> ALL(%(keys)s)
