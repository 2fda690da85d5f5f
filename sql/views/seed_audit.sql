-- seed_audit: one row per trader and figure of the seeds, beside the corrected one of the last day
-- built, over the same fills, and what sets them apart. Equal figures are rows too: `difference` 0.
-- A figure without a correction is NULL with its reason.
CREATE VIEW seed_audit AS
WITH last AS (
    SELECT max(day) + 86400000 AS at FROM settled_days
)
SELECT
    p.user_address,
    f.metric,
    f.seed_value,
    f.corrected_value,
    -- A ratio of one is exact, of the other a float: what only that sets apart is no difference.
    CASE
        WHEN abs(f.seed_value - f.corrected_value)
            <= 1e-9 * greatest(abs(f.seed_value), abs(f.corrected_value)) THEN 0
        ELSE f.seed_value - f.corrected_value
    END                              AS difference,
    f.reason,
    f.cause
FROM last
CROSS JOIN LATERAL trader_metrics_between(last.at, NULL) AS m
JOIN trader_profiles AS p ON p.user_address = m.user_address
CROSS JOIN LATERAL (
    SELECT t.seed_fees, t.seed_builder_fees
    FROM trader_totals AS t
    WHERE t.user_address = m.user_address AND t.day < last.at
    ORDER BY t.day DESC
    LIMIT 1
) AS t
CROSS JOIN LATERAL (VALUES
    (
        'fees_paid', t.seed_fees, m.total_fees_usd,
        m.total_fees_usd_reason,
        'fees in other tokens were added as dollars'
    ),
    (
        'net_pnl', p.realized_pnl - t.seed_fees - t.seed_builder_fees, m.net_pnl_ex_funding_usd,
        m.net_pnl_ex_funding_usd_reason,
        'fees in other tokens were added as dollars; the builder''s part was subtracted twice'
    ),
    (
        'sharpe_ratio', p.sharpe_ratio, m.sharpe_ratio::numeric, m.sharpe_ratio_reason,
        'gross results of days traded only, instead of net ones of every calendar day, marked to market'
    ),
    (
        'win_rate', p.win_rate, m.win_rate::numeric, m.win_rate_reason,
        'closing fills before fees, instead of round trips after fees'
    ),
    (
        'maker_pct', p.maker_pct, m.maker_pct::numeric, m.maker_pct_reason,
        'liquidations, conversions and spot were counted with the orders'
    ),
    (
        'mtm_tv', p.mtm_tv, m.realized_edge::numeric, m.volume_reason,
        'spot was counted with the perps'
    ),
    (
        'liquidation_pct', p.liquidation_pct, m.liquidated_fill_pct::numeric, m.volume_reason,
        'whoever took over a liquidated position was counted as its victim'
    ),
    (
        'long_ratio', p.long_ratio, m.long_ratio::numeric, m.long_ratio_reason,
        'openings by their text, without flips, instead of whatever increased a position'
    ),
    (
        'avg_hold_hours', p.avg_hold_hours, m.mean_hold_hours::numeric, m.mean_hold_hours_reason,
        'none: both are the mean over round trips seen from their opening'
    )
) AS f (metric, seed_value, corrected_value, reason, cause);
