-- The rank of each value, from 1 for the lowest, in the places of the values; equal ones have the mean
-- of their ranks.
CREATE OR REPLACE FUNCTION average_ranks(amounts double precision[])
RETURNS double precision[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(array_agg(r.lowest + (r.equals - 1) / 2.0 ORDER BY r.place), '{}')
    FROM (
        SELECT
            a.place,
            rank() OVER (ORDER BY a.amount)                 AS lowest,
            count(*) OVER (PARTITION BY a.amount)           AS equals
        FROM unnest(amounts) WITH ORDINALITY AS a (amount, place)
    ) AS r
$$;
