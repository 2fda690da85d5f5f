-- A year's growth for each unit of the deepest fall, over the last three years or as many days as
-- there are, calmar_days; one row.
-- Source: Young 1991.
CREATE OR REPLACE FUNCTION calmar_metrics(returns double precision[])
RETURNS TABLE (calmar_ratio double precision, calmar_ratio_reason text, calmar_days bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        g.cagr / nullif(abs(g.max_drawdown), 0),
        CASE WHEN g.max_drawdown = 0 THEN 'no_drawdown' ELSE g.cagr_reason END,
        g.n_days
    FROM public.growth_metrics(returns, 3 * public.days_per_year()::bigint) AS g
$$;
