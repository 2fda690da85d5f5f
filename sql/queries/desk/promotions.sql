-- Decisions about a trader, the latest first. Parameters: trader_id.
SELECT decided_at, decided_by, as_of, passed, evidence
FROM promotions
WHERE trader_id = %(trader_id)s
ORDER BY decided_at DESC
