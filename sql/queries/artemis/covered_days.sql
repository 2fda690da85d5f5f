-- Spans of which a relation knows all: what its states call by a name. Literals: relation, name,
-- start, end.
SELECT (c.span ->> 0)::bigint AS start, (c.span ->> 1)::bigint AS end
FROM artemis_state AS s
CROSS JOIN LATERAL jsonb_array_elements(s.details -> {name}) AS c (span)
WHERE s.relation = {relation} AND s.day >= {start} AND s.day < {end}
ORDER BY 1
