-- What a daily series of returns grew to, and how far it fell on the way; one row. The last
-- `days` of it, or as many as there are.
-- A day without a return (NULL) leaves the whole undefined: nobody knows what it compounded to.
CREATE OR REPLACE FUNCTION growth_metrics(
    returns double precision[],
    days bigint DEFAULT NULL,
    OUT n_days bigint,
    OUT partial_window boolean,
    OUT roi double precision,
    OUT roi_reason text,
    OUT cagr double precision,
    OUT cagr_reason text,
    OUT max_drawdown double precision,
    OUT max_drawdown_reason text,
    OUT return_over_max_drawdown double precision,
    OUT return_over_max_drawdown_reason text,
    OUT ruin_count bigint
)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    tail double precision[];
    nav double precision[];
BEGIN
    n_days := least(coalesce(cardinality(returns), 0), days);
    partial_window := coalesce(n_days < days, false);
    tail := returns[cardinality(returns) - n_days + 1:];
    ruin_count := (SELECT count(*) FROM unnest(tail) AS d (r) WHERE d.r <= -1);
    nav := public.equity_index(tail);
    roi_reason := CASE
        WHEN n_days = 0 THEN 'no_data'
        WHEN array_position(tail, NULL) IS NOT NULL THEN 'non_positive_equity'
        WHEN nav[n_days + 1] IS NULL THEN 'no_capital_base'
    END;
    max_drawdown_reason := roi_reason;
    cagr_reason := roi_reason;
    return_over_max_drawdown_reason := roi_reason;
    IF roi_reason IS NOT NULL THEN
        RETURN;
    END IF;
    roi := nav[n_days + 1] - 1;
    cagr := public.cagr(nav[n_days + 1], n_days);
    cagr_reason := CASE WHEN cagr IS NULL THEN 'too_few_observations' END;
    max_drawdown := public.max_drawdown(nav);
    return_over_max_drawdown := roi / nullif(abs(max_drawdown), 0);
    return_over_max_drawdown_reason := CASE WHEN max_drawdown = 0 THEN 'no_drawdown' END;
END
$$;
