-- Spans of which all fills are in the market history. Literals: start, end.
SELECT (c.span ->> 0)::bigint AS start, (c.span ->> 1)::bigint AS end
FROM artemis_state AS s
CROSS JOIN LATERAL jsonb_array_elements(s.details -> 'covered') AS c (span)
WHERE s.relation = 'candles' AND s.day >= {start} AND s.day < {end}
ORDER BY 1
