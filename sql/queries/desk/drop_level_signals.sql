-- Exits that the day's tape no longer tells of, but for those that an executor knows of. Parameters:
-- day, ends_at, ids: of those that it does tell of.
DELETE FROM signals AS s
WHERE s.source = 'telegram' AND s.evidence ? 'level'
  AND s.received_at >= %(day)s AND s.received_at < %(ends_at)s AND s.signal_id <> ALL(%(ids)s)
  AND NOT EXISTS (SELECT FROM intents AS i WHERE i.signal_id = s.signal_id)
