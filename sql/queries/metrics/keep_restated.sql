-- Rows that are no longer as they were, or gone. Parameters: day, known_from (of what is now).
INSERT INTO restated_totals
SELECT r.*, %(known_from)s, coalesce(k.known_from, v.known_from)
FROM (
    SELECT * FROM totals_before
    EXCEPT ALL
    SELECT * FROM trader_totals WHERE day = %(day)s
) AS r
LEFT JOIN totals_known_from AS k ON k.user_address = r.user_address AND k.day = r.day
CROSS JOIN (
    SELECT min(known_from) AS known_from
    FROM metric_state_versions
    WHERE day = %(day)s
) AS v
