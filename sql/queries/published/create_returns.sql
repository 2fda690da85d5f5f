-- The return of each trader over each window that ends at `at`, as trader_track gives it for one.
CREATE TEMPORARY TABLE new_returns ON COMMIT DROP AS
SELECT
    w.user_address,
    n.name,
    w.window_start,
    w.is_marked,
    w.unknown_days,
    x.base,
    x.pnl,
    CASE WHEN w.unknown_days = 0 THEN o.roi END                                      AS roi,
    CASE WHEN w.unknown_days > 0 THEN 'unpriced_component' ELSE o.roi_reason END     AS roi_reason
FROM (VALUES ('30d', 30::bigint), ('90d', 90), ('all', NULL)) AS n (name, days)
CROSS JOIN LATERAL trader_windows(%(at)s, n.days) AS w
CROSS JOIN LATERAL (
    SELECT
        max(t.peak_exposure_usd)                                                     AS base,
        sum(CASE WHEN w.is_marked THEN t.mark_to_market_pnl ELSE t.net_pnl END)      AS pnl
    FROM trader_totals AS t
    WHERE t.user_address = w.user_address AND t.day >= w.window_start AND t.day < %(at)s
) AS x
CROSS JOIN LATERAL return_on_peak_exposure(x.pnl, x.base) AS o
