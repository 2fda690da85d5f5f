-- Spans of which all fills are in the market history, the liquidations and the changes of open
-- interest. A day built before these were told apart knows them as one. Literals: start (of the
-- first day).
WITH days AS (
    SELECT
        s.details -> 'covered' AS spans,
        coalesce(s.details -> 'covered_liquidations', s.details -> 'covered') AS liquidations,
        coalesce(o.details -> 'covered', s.details -> 'covered') AS changes
    FROM artemis_state AS s
    JOIN artemis_state AS o ON o.relation = 'oi_history' AND o.day = s.day
    WHERE s.relation = 'candles' AND s.day >= {start}
)
SELECT (c.span ->> 0)::bigint AS start, (c.span ->> 1)::bigint AS end
FROM days AS d
CROSS JOIN LATERAL jsonb_array_elements(d.spans) AS c (span)
WHERE d.liquidations @> jsonb_build_array(c.span) AND d.changes @> jsonb_build_array(c.span)
ORDER BY 1
