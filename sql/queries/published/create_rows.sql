-- The new rows, percentiles left out. Parameters: at, seed and ours, the two rule sets shown.
CREATE TEMPORARY TABLE new_rows ON COMMIT DROP AS
SELECT
    m.user_address,
    coalesce(s.trader_type, 'UNCLASSIFIED')                     AS trader_type,
    coalesce(s.rule, 'no_label')                                AS trader_type_rule,
    coalesce(o.trader_type, 'UNCLASSIFIED')                     AS our_trader_type,
    m.first_day,
    l.last_day,
    m.calendar_days,
    m.trading_days,
    m.n_obs,
    m.publishable,
    m.pnl_basis,
    m.volume_usd,
    m.net_pnl,
    m.net_pnl_reason,
    m.closed_trades,
    r30.roi                                                     AS roi_30d,
    r30.roi_reason                                              AS roi_30d_reason,
    r90.roi                                                     AS roi_90d,
    r90.roi_reason                                              AS roi_90d_reason,
    r.roi                                                       AS roi_all,
    r.roi_reason                                                AS roi_all_reason,
    m.sharpe_ratio,
    m.sharpe_ratio_reason,
    m.sharpe_lower,
    m.sharpe_upper,
    m.win_rate,
    m.win_rate_reason,
    m.win_rate_lower,
    m.win_rate_upper,
    c.max_drawdown,
    CASE WHEN c.user_address IS NULL THEN 'no_data' END         AS max_drawdown_reason,
    v.avg_leverage,
    CASE WHEN v.user_address IS NULL THEN 'no_data' ELSE v.avg_leverage_reason END AS avg_leverage_reason,
    b.diversification_score,
    CASE WHEN b.user_address IS NULL THEN 'not_applicable' ELSE b.diversification_score_reason END
                                                                AS diversification_score_reason,
    coalesce(k.coins, '{}')                                     AS coins,
    coalesce(c.days, '{}')                                      AS curve_days,
    coalesce(c.usd, '{}')                                       AS curve_usd,
    coalesce(c.before_usd, 0)                                   AS curve_before_usd
FROM trader_metrics_between(%(at)s, NULL) AS m
CROSS JOIN LATERAL (
    SELECT t.day AS last_day
    FROM trader_totals AS t
    WHERE t.user_address = m.user_address AND t.day < %(at)s
    ORDER BY t.day DESC
    LIMIT 1
) AS l
LEFT JOIN new_returns AS r30 ON r30.user_address = m.user_address AND r30.name = '30d'
LEFT JOIN new_returns AS r90 ON r90.user_address = m.user_address AND r90.name = '90d'
LEFT JOIN new_returns AS r ON r.user_address = m.user_address AND r.name = 'all'
LEFT JOIN new_curves AS c ON c.user_address = m.user_address
LEFT JOIN new_books AS b ON b.user_address = m.user_address
LEFT JOIN new_leverage AS v ON v.user_address = m.user_address
LEFT JOIN trader_labels AS s
    ON s.user_address = m.user_address AND s.rule_set = %(seed)s
   AND s.valid_from <= %(at)s AND (s.valid_to IS NULL OR s.valid_to > %(at)s)
LEFT JOIN trader_labels AS o
    ON o.user_address = m.user_address AND o.rule_set = %(ours)s
   AND o.valid_from <= %(at)s AND (o.valid_to IS NULL OR o.valid_to > %(at)s)
LEFT JOIN (
    SELECT f.user_address, array_agg(f.coin ORDER BY f.fills DESC, f.coin) AS coins
    FROM (
        SELECT t.user_address, t.coin, sum(t.fill_count) AS fills
        FROM trader_coin_daily AS t
        WHERE t.day < %(at)s AND is_perp(t.coin)
        GROUP BY t.user_address, t.coin
    ) AS f
    GROUP BY f.user_address
) AS k ON k.user_address = m.user_address
