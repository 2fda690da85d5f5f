-- How one trader's results came about over a window that ends before `before` (ms, a midnight): the
-- ratios and falls that need the order of his days. Returns are of the largest gross exposure inside
-- the window, a constant base: they add up, and understate what was made on own money. One row, none
-- for a trader not seen by then.
CREATE OR REPLACE FUNCTION trader_track(of_address text, before bigint, window_days bigint DEFAULT NULL)
RETURNS TABLE (
    user_address text, window_start bigint, pnl_basis text, capital_basis text,
    peak_exposure_usd numeric, pnl_usd numeric, roi double precision, roi_reason text,
    n_days bigint, volatility double precision, volatility_reason text,
    autocorrelation double precision, autocorrelation_reason text,
    adjusted_sharpe_ratio double precision, adjusted_sharpe_ratio_reason text,
    max_drawdown double precision, max_drawdown_reason text, avg_drawdown double precision,
    avg_drawdown_reason text, pain_index double precision, ulcer_index double precision,
    drawdown_count bigint, underwater_pct double precision, drawdown_frequency double precision,
    avg_recovery_time double precision, avg_recovery_time_reason text, longest_drawdown integer,
    current_drawdown double precision, open_drawdown boolean
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH days AS (
        SELECT
            w.user_address,
            w.window_start,
            w.is_marked,
            w.unknown_days,
            (to_timestamp(w.window_start / 1000) AT TIME ZONE 'UTC')::date AS first_date,
            (to_timestamp(before / 1000) AT TIME ZONE 'UTC')::date         AS as_of,
            max(t.peak_exposure_usd)                                       AS base,
            sum(CASE WHEN w.is_marked THEN t.mark_to_market_pnl ELSE t.net_pnl END) AS pnl,
            array_agg((to_timestamp(t.day / 1000) AT TIME ZONE 'UTC')::date ORDER BY t.day)
                FILTER (WHERE t.day IS NOT NULL)                           AS dates,
            array_agg(
                (CASE WHEN w.is_marked THEN t.mark_to_market_pnl ELSE t.net_pnl END)::double precision
                ORDER BY t.day
            ) FILTER (WHERE t.day IS NOT NULL)                             AS amounts
        FROM trader_windows(before, window_days) AS w
        LEFT JOIN trader_totals AS t
            ON t.user_address = w.user_address AND t.day >= w.window_start AND t.day < before
        WHERE w.user_address = of_address
        GROUP BY 1, 2, 3, 4
    ), returns AS (
        SELECT
            d.*,
            CASE WHEN d.base > 0 AND d.unknown_days = 0
                THEN (
                    SELECT array_agg(r / d.base::double precision ORDER BY n)
                    FROM unnest(daily_series(d.dates, d.amounts, d.first_date, d.as_of))
                        WITH ORDINALITY AS s (r, n)
                )
                ELSE '{}'
            END AS daily
        FROM days AS d
    )
    SELECT
        r.user_address,
        r.window_start,
        CASE WHEN r.is_marked THEN 'mark_to_market' ELSE 'realized' END,
        o.capital_basis,
        r.base,
        CASE WHEN r.unknown_days = 0 THEN r.pnl END,
        CASE WHEN r.unknown_days = 0 THEN o.roi END,
        CASE WHEN r.unknown_days > 0 THEN 'unpriced_component' ELSE o.roi_reason END,
        cardinality(r.daily)::bigint,
        m.volatility,
        m.volatility_reason,
        m.autocorrelation,
        m.autocorrelation_reason,
        m.adjusted_sharpe_ratio,
        m.adjusted_sharpe_ratio_reason,
        f.max_drawdown,
        f.max_drawdown_reason,
        f.avg_drawdown,
        f.avg_drawdown_reason,
        f.pain_index,
        f.ulcer_index,
        f.drawdown_count,
        f.underwater_pct,
        f.drawdown_frequency,
        f.avg_recovery_time,
        f.avg_recovery_time_reason,
        f.longest_drawdown,
        f.current_drawdown,
        f.open_drawdown
    FROM returns AS r
    CROSS JOIN LATERAL return_on_peak_exposure(r.pnl, r.base) AS o
    CROSS JOIN LATERAL return_metrics(r.daily) AS m
    CROSS JOIN LATERAL (
        SELECT
            -- The baseline is the midnight that the window begins at.
            array_agg(r.first_date - 1 + n::int ORDER BY n)    AS dates,
            array_agg(1 + s.gathered ORDER BY n)               AS nav
        FROM (
            SELECT 0 AS n, 0::double precision AS gathered
            UNION ALL
            SELECT i.n, sum(i.x) OVER (ORDER BY i.n)
            FROM unnest(r.daily) WITH ORDINALITY AS i (x, n)
        ) AS s
    ) AS n
    CROSS JOIN LATERAL drawdown_metrics(n.dates, n.nav) AS f
$$;
