-- Days until a day, itself included, whose round trips are built, and what their fills are.
-- Parameters: day.
SELECT s.day, s.content_version
FROM day_state AS s
JOIN aggregate_state AS a
    ON a.day = s.day AND a.relation = 'round_trips' AND a.generation = s.generation
WHERE s.day <= %(day)s
ORDER BY s.day
