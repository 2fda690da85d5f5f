-- Correlation of a series with itself `lag` days later, by the mean and the variance of the whole.
-- NULL for a constant series.
CREATE OR REPLACE FUNCTION autocorrelation(series double precision[], lag integer)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN min(d.value) < max(d.value)
        -- A pair that does not exist adds nothing to a sum over the whole.
        THEN coalesce(sum((d.value - d.mean) * (d.later - d.mean)), 0)
            / sum((d.value - d.mean) * (d.value - d.mean))
    END
    FROM (
        SELECT
            s.value,
            avg(s.value) OVER ()                          AS mean,
            lead(s.value, lag) OVER (ORDER BY s.number)   AS later
        FROM unnest(series) WITH ORDINALITY AS s (value, number)
    ) AS d
$$;
