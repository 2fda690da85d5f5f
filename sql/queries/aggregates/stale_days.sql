-- Loaded days whose build of a relation is missing, or of older fills or another text.
-- Parameters: relation, definition.
SELECT s.day
FROM day_state AS s
LEFT JOIN aggregate_state AS a
    ON a.day = s.day AND a.relation = %(relation)s AND a.definition = %(definition)s
WHERE a.generation IS DISTINCT FROM s.generation
