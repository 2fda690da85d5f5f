-- By what to scale a daily Sharpe ratio of serially correlated returns, in the place of
-- sqrt(days_per_year()). NULL for a constant series, and where the correlations leave no variance.
-- Source: Lo 2002; correlations beyond ten days are taken as none.
CREATE OR REPLACE FUNCTION lo_annualization(returns double precision[]) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN v.variance > 0 THEN public.days_per_year() / sqrt(v.variance) END
    FROM (
        SELECT
            public.days_per_year()
                + 2 * sum(
                    (public.days_per_year() - k.lag) * public.autocorrelation(returns, k.lag)
                ) AS variance
        FROM generate_series(1, 10) AS k (lag)
    ) AS v
$$;
