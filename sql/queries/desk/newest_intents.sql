-- The newest intents, and how many of all nobody took. Parameters: limit.
SELECT i.intent_id, i.trader_id, t.name, i.body, i.created_at, i.acknowledged_at, i.acknowledged_by,
    s.outcome = 'withdrawn' AS withdrawn, s.leader_time, s.leader_px, w.waiting
FROM intents AS i
JOIN signals AS s USING (signal_id)
JOIN traders AS t ON t.trader_id = i.trader_id
CROSS JOIN (SELECT count(*) AS waiting FROM intents WHERE acknowledged_at IS NULL) AS w
ORDER BY i.intent_id DESC
LIMIT %(limit)s
