-- Rows that were not so before, of a day that was built before. Parameters: day, known_from.
INSERT INTO totals_known_from (user_address, day, known_from)
SELECT n.user_address, n.day, %(known_from)s
FROM (
    SELECT * FROM trader_totals WHERE day = %(day)s
    EXCEPT ALL
    SELECT * FROM totals_before
) AS n
WHERE EXISTS (SELECT FROM metric_state_versions AS v WHERE v.day = %(day)s)
ON CONFLICT (user_address, day) DO UPDATE SET known_from = excluded.known_from
