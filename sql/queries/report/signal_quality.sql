-- How good a followed trader's signals were, and the copies of them. Parameters: trader_id, before,
-- window_days.
SELECT s.*, s.signal_lag_reason AS signal_lag_p95_s_reason, w.starts_at, (%(before)s - w.starts_at) / 86400000 AS days
FROM traders AS t
CROSS JOIN LATERAL (
    SELECT greatest(t.followed_from, %(before)s - %(window_days)s::bigint * 86400000) AS starts_at
) AS w
CROSS JOIN LATERAL signal_metrics(t.trader_id, w.starts_at, %(before)s) AS s
WHERE t.trader_id = %(trader_id)s
