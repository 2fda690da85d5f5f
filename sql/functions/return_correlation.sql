-- The correlation of two traders' daily returns over the common calendar, from the first to the
-- last day of either; a day that one of them lacks is 0. One row. Redundant: above 0.8, two traders
-- that say one thing.
CREATE OR REPLACE FUNCTION return_correlation(
    days_a date[],
    returns_a double precision[],
    days_b date[],
    returns_b double precision[],
    min_obs bigint DEFAULT 30
)
RETURNS TABLE (
    n_days bigint, correlation double precision, correlation_reason text, is_redundant boolean
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        c.n_obs,
        c.correlation,
        c.correlation_reason,
        c.correlation > 0.8
    FROM (
        SELECT
            min(d.day)     AS first_day,
            max(d.day) + 1 AS day_after
        FROM unnest(days_a || days_b) AS d (day)
    ) AS t
    CROSS JOIN LATERAL public.correlation(
        public.daily_series(days_a, returns_a, t.first_day, t.day_after),
        public.daily_series(days_b, returns_b, t.first_day, t.day_after),
        min_obs
    ) AS c
$$;
