-- Of the day's fills now, and when the relation was built; NULL where it was not.
-- Parameters: relation, day.
SELECT s.generation, a.generation
FROM day_state AS s
LEFT JOIN aggregate_state AS a ON a.day = s.day AND a.relation = %(relation)s
WHERE s.day = %(day)s
