-- Versions of a trader's settings that came into force in a stretch, and the one in force when it
-- begins; not those that a later version took the place of at once. Parameters: trader_id, starts_at,
-- ends_at.
SELECT h.version, greatest(h.effective_at, %(starts_at)s), h.settings
FROM trader_settings_history AS h
WHERE h.trader_id = %(trader_id)s AND h.effective_at < %(ends_at)s
  AND NOT EXISTS (
      SELECT FROM trader_settings_history AS l
      WHERE l.trader_id = h.trader_id AND l.version > h.version
        AND l.effective_at <= greatest(h.effective_at, %(starts_at)s)
  )
ORDER BY h.version
