-- trader_day_versions: every version of each trader's day, from when until when: what is known now
-- (known_until is NULL), and what was before the day, or one before it, was restated.
CREATE VIEW trader_day_versions AS
SELECT t.*, NULL::timestamptz AS known_until, coalesce(k.known_from, v.known_from) AS known_from
FROM trader_totals AS t
LEFT JOIN totals_known_from AS k ON k.user_address = t.user_address AND k.day = t.day
LEFT JOIN (
    SELECT day, min(known_from) AS known_from
    FROM metric_state_versions
    GROUP BY day
) AS v ON v.day = t.day
UNION ALL
SELECT *
FROM restated_totals;
