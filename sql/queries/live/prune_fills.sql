-- Deletes what the day's file says too; what differs from it, or is not in it, stays.
-- Parameters: day.
DELETE FROM live_fills AS l
USING fills AS f
WHERE l.time >= %(day)s
  AND l.time < %(day)s::bigint + 86400000
  AND f.time >= %(day)s
  AND f.time < %(day)s::bigint + 86400000
  AND f.time = l.time
  AND f.user_address = l.user_address
  AND f.coin = l.coin
  AND f.oid = l.oid
  AND f.tid = l.tid
  AND contradictions(to_jsonb(l), to_jsonb(f)) = '{}'
