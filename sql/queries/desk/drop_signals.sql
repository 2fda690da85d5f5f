-- Signals that a day of fills no longer tells of. Parameters: trader_id, starts_at, ends_at, keys.
DELETE FROM signals AS s
WHERE s.trader_id = %(trader_id)s AND s.source = 'fills'
  AND s.leader_time >= %(starts_at)s AND s.leader_time < %(ends_at)s
  AND s.source_key <> ALL(%(keys)s)
  AND NOT EXISTS (SELECT FROM intents AS i WHERE i.signal_id = s.signal_id)
