-- Each trader's deepest fall over all his days, and his result of the last 180, in sixty steps at
-- most. On a constant base a quiet day changes neither, so only days with a row are walked.
CREATE TEMPORARY TABLE new_curves ON COMMIT DROP AS
WITH gathered AS (
    SELECT
        t.user_address,
        t.day,
        r.base::double precision                                                     AS base,
        -- Days a step, of those that are shown.
        greatest(ceil((%(at)s - greatest(r.window_start, %(at)s - 180 * 86400000::bigint)) / 86400000.0 / 60), 1)::bigint
                                                                                     AS step,
        (%(at)s - t.day) / 86400000                                                  AS ago,
        sum((CASE WHEN r.is_marked THEN t.mark_to_market_pnl ELSE t.net_pnl END)::double precision)
            OVER days                                                                AS pnl
    FROM new_returns AS r
    JOIN trader_totals AS t ON t.user_address = r.user_address AND t.day < %(at)s
    WHERE r.name = 'all' AND r.unknown_days = 0 AND r.base > 0
    WINDOW days AS (PARTITION BY t.user_address ORDER BY t.day)
), peaks AS (
    SELECT
        g.*,
        greatest(max(g.pnl) OVER days, 0)                                            AS peak,
        -- The last of its step.
        g.ago <= 180 AND (g.ago - 1) / g.step IS DISTINCT FROM (lead(g.ago) OVER days - 1) / g.step AS is_shown,
        CASE WHEN g.ago > 180 THEN g.pnl END                                         AS before
    FROM gathered AS g
    WINDOW days AS (PARTITION BY g.user_address ORDER BY g.day)
)
SELECT
    p.user_address,
    least(min((p.base + p.pnl) / (p.base + p.peak) - 1), 0)                          AS max_drawdown,
    coalesce(array_agg(p.ago::smallint ORDER BY p.day) FILTER (WHERE p.is_shown), '{}') AS days,
    coalesce(array_agg(p.pnl::real ORDER BY p.day) FILTER (WHERE p.is_shown), '{}')  AS usd,
    coalesce((array_agg(p.before ORDER BY p.ago) FILTER (WHERE p.ago > 180))[1], 0)  AS before_usd
FROM peaks AS p
GROUP BY p.user_address
