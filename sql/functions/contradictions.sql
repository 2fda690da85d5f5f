-- The columns that two rows, as JSON, both have and differ in; none: they say the same. What one
-- of them leaves out contradicts nothing. Numbers compare as numbers.
CREATE OR REPLACE FUNCTION contradictions(one jsonb, other jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(array_agg(a.key ORDER BY a.key), '{}')
    FROM jsonb_each(jsonb_strip_nulls(one)) AS a
    JOIN jsonb_each(jsonb_strip_nulls(other)) AS b USING (key)
    WHERE a.value <> b.value AND a.key NOT IN ('received_at', 'extra')
$$;
