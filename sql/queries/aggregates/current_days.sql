-- Days whose build of a relation is of the fills loaded now. Parameters: relation, definition.
SELECT a.day
FROM aggregate_state AS a
JOIN day_state AS s ON s.day = a.day AND s.generation = a.generation
WHERE a.relation = %(relation)s AND a.definition = %(definition)s
