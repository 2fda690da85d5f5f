-- The loaded days before an instant, and whether their round trips are of these fills.
-- Parameters: end, definition.
SELECT
    s.day,
    s.content_version,
    s.missing_hours,
    s.source LIKE 'sandbox%%'                                        AS is_simulated,
    coalesce(a.generation = s.generation AND a.definition = %(definition)s, false) AS has_round_trips
FROM day_state AS s
LEFT JOIN aggregate_state AS a ON a.day = s.day AND a.relation = 'round_trips'
WHERE s.day < %(end)s
ORDER BY s.day
