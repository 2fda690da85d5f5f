-- Risk and reward of a daily series of returns; one row. benchmark is on the same calendar, mar
-- (what a day must make not to count as a loss) is daily, rf_annual annual; all are fractions.
-- n_obs counts the days with a return: the others are left out of the ratios, and leave what
-- compounds undefined. Ratios are annual. adjusted_sharpe_ratio is the Sharpe ratio where days
-- hardly depend on the day before, and Lo's where they do.
CREATE OR REPLACE FUNCTION return_metrics(
    returns double precision[],
    benchmark double precision[] DEFAULT NULL,
    mar double precision DEFAULT 0,
    rf_annual double precision DEFAULT 0
)
RETURNS TABLE (
    n_obs bigint,
    sharpe_ratio double precision,
    sharpe_ratio_reason text,
    sharpe_se double precision,
    sharpe_se_reason text,
    psr_0 double precision,
    psr_0_reason text,
    skewness double precision,
    skewness_reason text,
    kurtosis double precision,
    kurtosis_reason text,
    autocorrelation double precision,
    autocorrelation_reason text,
    adjusted_sharpe_ratio double precision,
    adjusted_sharpe_ratio_reason text,
    volatility double precision,
    volatility_reason text,
    downside_vol double precision,
    downside_vol_reason text,
    sortino_ratio double precision,
    sortino_ratio_reason text,
    information_ratio double precision,
    information_ratio_reason text,
    roi double precision,
    roi_reason text,
    cagr double precision,
    cagr_reason text,
    max_drawdown double precision,
    max_drawdown_reason text,
    calmar_ratio double precision,
    calmar_ratio_reason text,
    calmar_days bigint,
    return_over_max_drawdown double precision,
    return_over_max_drawdown_reason text,
    ruin_count bigint
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH days AS (
        SELECT
            d.r,
            d.r - avg(d.r) OVER ()               AS off,
            least(d.r - mar, 0)                  AS shortfall,
            d.r - d.b                            AS active,
            -- Decimal: a constant distance leaves a residue in binary.
            d.r::numeric - d.b::numeric          AS exact_active
        FROM unnest(returns, benchmark) AS d (r, b)
        WHERE d.r IS NOT NULL
    ), sums AS (
        SELECT
            count(*)                                            AS n,
            avg(d.r)                                            AS mean,
            coalesce(min(d.r) < max(d.r), false)                AS varies,
            CASE WHEN min(d.r) < max(d.r) THEN stddev_samp(d.r) ELSE 0 END AS deviation,
            sum(d.off * d.off)                                  AS second,
            sum(d.off * d.off * d.off)                          AS third,
            sum(d.off * d.off * d.off * d.off)                  AS fourth,
            sqrt(avg(d.shortfall * d.shortfall))                AS downside,
            count(d.active)                                     AS n_active,
            avg(d.active)                                       AS mean_active,
            CASE WHEN min(d.exact_active) < max(d.exact_active) THEN stddev_samp(d.active) END
                AS deviation_active
        FROM days AS d
    ), shape AS (
        SELECT
            s.*,
            sqrt(public.days_per_year()) AS year_root,
            CASE
                WHEN s.varies
                THEN (s.mean - (power(1 + rf_annual, 1 / public.days_per_year()) - 1)) / s.deviation
            END AS daily_sharpe,
            CASE WHEN s.varies THEN sqrt(s.n) * s.third / (s.second * sqrt(s.second)) END
                AS skewness,
            CASE WHEN s.varies THEN s.n * s.fourth / (s.second * s.second) END AS kurtosis,
            public.autocorrelation(returns, 1) AS autocorrelation,
            CASE WHEN s.n < 2 THEN 'too_few_observations' END AS too_few,
            CASE
                WHEN s.n < 2 THEN 'too_few_observations'
                WHEN NOT s.varies THEN 'zero_variance'
            END AS no_shape
        FROM sums AS s
    ), ratios AS (
        SELECT
            s.*,
            public.sharpe_standard_error(s.daily_sharpe, s.skewness, s.kurtosis, s.n) AS sharpe_se,
            s.daily_sharpe * CASE
                WHEN abs(s.autocorrelation) > 0.2 THEN public.lo_annualization(returns)
                ELSE s.year_root
            END AS adjusted_sharpe
        FROM shape AS s
    )
    SELECT
        s.n,
        s.daily_sharpe * s.year_root,
        s.no_shape,
        s.sharpe_se,
        s.no_shape,
        public.probabilistic_sharpe(s.daily_sharpe * s.year_root, s.sharpe_se),
        CASE WHEN s.sharpe_se = 0 THEN 'zero_denominator' ELSE s.no_shape END,
        s.skewness,
        s.no_shape,
        s.kurtosis,
        s.no_shape,
        s.autocorrelation,
        s.no_shape,
        s.adjusted_sharpe,
        CASE WHEN s.adjusted_sharpe IS NULL THEN coalesce(s.no_shape, 'zero_variance') END,
        CASE WHEN s.n >= 2 THEN s.deviation * s.year_root END,
        s.too_few,
        CASE WHEN s.n >= 2 THEN s.downside * s.year_root END,
        s.too_few,
        CASE WHEN s.n >= 2 THEN (s.mean - mar) / nullif(s.downside, 0) * s.year_root END,
        CASE WHEN s.n >= 2 AND s.downside = 0 THEN 'no_downside' ELSE s.too_few END,
        s.mean_active / s.deviation_active * s.year_root,
        CASE
            WHEN benchmark IS NULL THEN 'no_data'
            WHEN s.n_active < 2 THEN 'too_few_observations'
            WHEN s.deviation_active IS NULL THEN 'zero_variance'
        END,
        g.roi,
        g.roi_reason,
        g.cagr,
        g.cagr_reason,
        g.max_drawdown,
        g.max_drawdown_reason,
        c.calmar_ratio,
        c.calmar_ratio_reason,
        c.calmar_days,
        g.return_over_max_drawdown,
        g.return_over_max_drawdown_reason,
        g.ruin_count
    FROM ratios AS s
    CROSS JOIN LATERAL public.growth_metrics(returns) AS g
    CROSS JOIN LATERAL public.calmar_metrics(returns) AS c
$$;
