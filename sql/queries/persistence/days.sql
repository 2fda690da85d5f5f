-- Days of trader_daily with the share of their hours that is there. Filled in: before.
SELECT
    s.day,
    1 - cardinality(s.missing_hours) / 24.0 AS present,
    s.source LIKE 'sandbox%'                AS is_simulated
FROM day_state AS s
JOIN aggregate_state AS a ON a.day = s.day AND a.generation = s.generation
WHERE a.relation = 'trader_daily' AND s.day < {before}
ORDER BY s.day
