-- Winners among the decided, and the Wilson interval around that share; one row. Who came out at
-- exactly 0 is in neither count.
-- Source: Wilson 1927.
CREATE OR REPLACE FUNCTION wilson_interval(
    winners bigint, losers bigint, confidence double precision DEFAULT 0.95
)
RETURNS TABLE (
    win_rate double precision,
    win_rate_lower double precision,
    win_rate_upper double precision,
    win_rate_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        s.share,
        -- An undefined share has no bounds: greatest and least pass over NULL.
        CASE WHEN s.share IS NOT NULL THEN greatest(s.centre - s.half_width, 0) END,
        CASE WHEN s.share IS NOT NULL THEN least(s.centre + s.half_width, 1) END,
        CASE WHEN s.share IS NULL THEN 'zero_denominator' END
    FROM (
        SELECT
            c.share,
            (c.share + c.z2 / (2 * c.n)) / (1 + c.z2 / c.n) AS centre,
            sqrt(c.z2 * (c.share * (1 - c.share) / c.n + c.z2 / (4 * c.n * c.n))) / (1 + c.z2 / c.n)
                AS half_width
        FROM (
            SELECT
                nullif(winners + losers, 0)::double precision              AS n,
                winners::double precision / nullif(winners + losers, 0)    AS share,
                power(public.normal_quantile(0.5 + confidence / 2), 2)     AS z2
        ) AS c
    ) AS s
$$;
