-- How late orders were, in seconds; one row. A lag below 0 is an error of a clock: counted, left out.
-- The percentile interpolates between the two that lie beside it.
CREATE OR REPLACE FUNCTION lag_metrics(lags_s double precision[])
RETURNS TABLE (
    lags bigint,
    lag_mean_s double precision,
    lag_median_s double precision,
    lag_p95_s double precision,
    lag_reason text,
    clock_errors bigint
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        count(*) FILTER (WHERE l.lag >= 0),
        avg(l.lag) FILTER (WHERE l.lag >= 0),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY l.lag) FILTER (WHERE l.lag >= 0),
        percentile_cont(0.95) WITHIN GROUP (ORDER BY l.lag) FILTER (WHERE l.lag >= 0),
        CASE WHEN count(*) FILTER (WHERE l.lag >= 0) = 0 THEN 'no_data' END,
        count(*) FILTER (WHERE l.lag < 0)
    FROM unnest(lags_s) AS l (lag)
$$;
