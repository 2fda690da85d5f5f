-- Pearson's correlation of two series, over the places where both have a value; one row. NULL with
-- fewer than min_obs of them (two at least), or where either is constant.
CREATE OR REPLACE FUNCTION correlation(
    a double precision[], b double precision[], min_obs bigint
)
RETURNS TABLE (n_obs bigint, correlation double precision, correlation_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        s.n,
        -- Rounding may lead out of bounds.
        CASE WHEN s.reason IS NULL THEN greatest(least(s.pearson, 1), -1) END,
        s.reason
    FROM (
        SELECT
            count(*)            AS n,
            corr(p.a, p.b)      AS pearson,
            CASE
                WHEN count(*) < greatest(min_obs, 2) THEN 'too_few_observations'
                WHEN min(p.a) = max(p.a) OR min(p.b) = max(p.b) THEN 'zero_variance'
            END                 AS reason
        FROM unnest(a, b) AS p (a, b)
        WHERE p.a IS NOT NULL
          AND p.b IS NOT NULL
    ) AS s
$$;
