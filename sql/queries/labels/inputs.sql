-- What the labels of a day's end are decided by: the corrected figures of that day, and the last
-- labels before. No row: the figures are not built. Parameters: day.
SELECT m.built_from, b.day, b.built_from
FROM metric_state AS m
LEFT JOIN LATERAL (
    SELECT l.day, l.built_from
    FROM label_state AS l
    WHERE l.day < m.day
    ORDER BY l.day DESC
    LIMIT 1
) AS b ON true
WHERE m.day = %(day)s
