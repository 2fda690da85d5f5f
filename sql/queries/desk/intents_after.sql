-- Intents behind one, oldest first. Parameters: after, limit, unacknowledged (only those).
SELECT i.intent_id, i.signal_id, i.trader_id, i.body, i.created_at, i.acknowledged_at,
    i.acknowledged_by, s.outcome = 'withdrawn' AS withdrawn
FROM intents AS i
JOIN signals AS s USING (signal_id)
WHERE i.intent_id > %(after)s AND (NOT %(unacknowledged)s OR i.acknowledged_at IS NULL)
ORDER BY i.intent_id
LIMIT %(limit)s
