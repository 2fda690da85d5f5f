-- The annual Sharpe ratio of a daily series, and the shape of its distribution, from its length and
-- the sums of its first four powers; one row. The length counts the quiet days, whose powers are 0.
-- The sums are exact, and so is what is taken from them up to the last division: a constant series
-- is found, and nothing cancels.
CREATE OR REPLACE FUNCTION sharpe_from_sums(
    n bigint, sum1 numeric, sum2 numeric, sum3 numeric, sum4 numeric
)
RETURNS TABLE (
    sharpe_ratio double precision,
    sharpe_se double precision,
    skewness double precision,
    kurtosis double precision,
    sharpe_ratio_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH central AS (
        -- n^k times the k-th central moment.
        SELECT
            nullif(n * sum2 - sum1 * sum1, 0)::double precision AS second,
            (n * n * sum3 - 3 * n * sum1 * sum2 + 2 * sum1 * sum1 * sum1)::double precision
                AS third,
            (
                n * n * (n * sum4 - 4 * sum1 * sum3)
                + 6 * n * sum1 * sum1 * sum2 - 3 * sum1 * sum1 * sum1 * sum1
            )::double precision AS fourth
        WHERE n >= 2
    ), shape AS (
        SELECT
            sum1::double precision * sqrt((n - 1) / (n * c.second)) AS daily_sharpe,
            c.third / (c.second * sqrt(c.second))                   AS skewness,
            c.fourth / (c.second * c.second)                        AS kurtosis
        FROM central AS c
    )
    SELECT
        s.daily_sharpe * sqrt(public.days_per_year()),
        public.sharpe_standard_error(s.daily_sharpe, s.skewness, s.kurtosis, n),
        s.skewness,
        s.kurtosis,
        CASE
            WHEN n IS NULL OR n < 2 THEN 'too_few_observations'
            WHEN s.daily_sharpe IS NULL THEN 'zero_variance'
        END
    FROM (SELECT) AS one
    LEFT JOIN shape AS s ON true
$$;
