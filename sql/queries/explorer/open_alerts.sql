-- Alerts that nobody has acknowledged, or that still hold, the newest first.
SELECT a.alert_id, a.trader_id, t.name, a.rule, a.limit_value, a.value, a.as_of, a.paused, a.recovered_at, a.acknowledged_at
FROM alerts AS a
JOIN traders AS t ON t.trader_id = a.trader_id
WHERE a.recovered_at IS NULL OR a.acknowledged_at IS NULL
ORDER BY a.as_of DESC, a.alert_id DESC
LIMIT %(limit)s
