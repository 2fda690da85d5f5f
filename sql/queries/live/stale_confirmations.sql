-- Loaded days of which something was streamed, and whose comparison is missing or out of date.
SELECT s.day
FROM day_state AS s
WHERE EXISTS (SELECT FROM live_days AS d WHERE d.day = s.day)
  AND NOT EXISTS (
    SELECT
    FROM live_confirmations AS c
    WHERE c.day = s.day AND (c.pruned_at IS NOT NULL OR c.inputs = live_inputs(s.day))
  )
ORDER BY s.day
