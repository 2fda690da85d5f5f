-- The deepest fall of an index below its highest value so far, as a fraction: 0 or less. NULL
-- where a value is not known.
CREATE OR REPLACE FUNCTION max_drawdown(nav double precision[]) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT min(d.nav / d.peak) - 1
    FROM (
        SELECT
            n.nav,
            max(n.nav) OVER (ORDER BY n.number) AS peak
        FROM unnest(nav) WITH ORDINALITY AS n (nav, number)
    ) AS d
    HAVING count(*) = count(d.nav)
$$;
