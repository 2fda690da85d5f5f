-- Alerts, newest first, below a number. `open`: those that nobody acknowledged, or that still hold.
SELECT a.alert_id, a.trader_id, t.name, t.user_address, a.rule, a.limit_value, a.value, a.as_of,
    a.fired_at, a.paused, a.recovered_at, a.acknowledged_at, a.acknowledged_by
FROM alerts AS a
JOIN traders AS t USING (trader_id)
WHERE (%(alert_id)s::bigint IS NULL OR a.alert_id = %(alert_id)s)
    AND (%(trader_id)s::bigint IS NULL OR a.trader_id = %(trader_id)s)
    AND (NOT %(open)s OR a.recovered_at IS NULL OR a.acknowledged_at IS NULL)
    AND (%(before)s::bigint IS NULL OR a.alert_id < %(before)s)
ORDER BY a.alert_id DESC
LIMIT %(limit)s
