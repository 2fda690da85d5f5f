-- One trader's result of every calendar day of a window, gathered, and how far it lies below its peak.
SELECT
    d.day,
    d.pnl,
    d.gathered,
    CASE WHEN d.base > 0
        THEN (d.base + d.gathered) / (d.base + greatest(max(d.gathered) OVER (ORDER BY d.day), 0)) - 1
    END AS drawdown
FROM (
    SELECT
        g.day,
        x.base,
        coalesce(CASE WHEN w.is_marked THEN t.mark_to_market_pnl ELSE t.net_pnl END, 0)::double precision AS pnl,
        sum(coalesce(CASE WHEN w.is_marked THEN t.mark_to_market_pnl ELSE t.net_pnl END, 0)::double precision)
            OVER (ORDER BY g.day) AS gathered
    FROM trader_windows(%(at)s, %(days)s) AS w
    CROSS JOIN LATERAL (
        SELECT max(p.peak_exposure_usd)::double precision AS base
        FROM trader_totals AS p
        WHERE p.user_address = %(address)s AND p.day >= w.window_start AND p.day < %(at)s
    ) AS x
    CROSS JOIN LATERAL generate_series(w.window_start, %(at)s - 86400000, 86400000) AS g (day)
    LEFT JOIN trader_totals AS t ON t.user_address = %(address)s AND t.day = g.day
    WHERE w.user_address = %(address)s AND w.unknown_days = 0
) AS d
ORDER BY d.day
