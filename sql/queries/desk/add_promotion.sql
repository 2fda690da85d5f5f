-- Parameters: trader_id, by, as_of, passed, evidence.
INSERT INTO promotions (trader_id, decided_at, decided_by, as_of, passed, evidence)
SELECT
    %(trader_id)s,
    -- Two decisions of one millisecond still follow one another.
    greatest(clock_ms(), coalesce(max(p.decided_at) + 1, 0)),
    %(by)s, %(as_of)s, %(passed)s, %(evidence)s
FROM promotions AS p
WHERE p.trader_id = %(trader_id)s
RETURNING decided_at
