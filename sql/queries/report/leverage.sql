-- Leverage of the trader's account, from balances snapshots, and how his round trips went by it: at
-- entry, peak notional over the equity of the last snapshot, at most 36 hours old. Parameters:
-- user_address, before, window_days.
SELECT
    l.snapshots, l.exposed_snapshots, l.sampling_interval_hours,
    l.avg_leverage, l.avg_leverage_reason,
    l.avg_leverage_unconditional, l.avg_leverage_unconditional_reason,
    l.max_leverage, l.max_leverage_reason,
    l.leverage_frequency, l.leverage_frequency_reason,
    l.exposed_snapshots >= publishing_limit('exposed_snapshots')    AS is_sampled,
    w.trades,
    w.rates                                                         AS leverage_win_rate,
    CASE WHEN w.trades = 0 THEN 'no_data' END                       AS leverage_win_rate_reason,
    w.trades >= publishing_limit('closed_trades')                   AS is_traded,
    m.fills,
    m.liquidated_fill_pct,
    CASE WHEN m.liquidated_fill_pct IS NULL THEN 'no_data' END      AS liquidated_fill_pct_reason,
    NULL::double precision                                          AS liquidation_risk,
    'not_available_from_fills'                                      AS liquidation_risk_reason,
    k.risk_score, k.risk_score_reason, k.risk_components,
    m.n_obs,
    m.publishable
FROM trader_leverage(%(user_address)s, %(before)s, %(window_days)s) AS l
CROSS JOIN (
    SELECT coalesce(sum(b.trades), 0)::bigint AS trades, jsonb_object_agg(
        b.bucket, jsonb_build_object('trades', b.trades, 'win_rate', b.win_rate)
    ) FILTER (WHERE b.trades > 0) AS rates
    FROM (
        SELECT
            coalesce(array_agg((t.notional / t.equity)::double precision ORDER BY t.n), '{}') AS leverages,
            coalesce(array_agg(t.net_pnl ORDER BY t.n), '{}')                                 AS results
        FROM (
            SELECT
                row_number() OVER () AS n,
                r.peak_size * r.entry_notional / r.entry_size AS notional,
                r.net_pnl,
                (
                    SELECT nullif(greatest(e.account_value, 0), 0)
                    FROM account_equity AS e
                    WHERE e.address = r.user_address AND e.recorded_at < r.opened_at
                      AND e.recorded_at >= r.opened_at - 129600000
                      AND (e.collapse_known_at IS NULL OR e.collapse_known_at >= %(before)s)
                    ORDER BY e.recorded_at DESC
                    LIMIT 1
                ) AS equity
            FROM round_trips AS r
            WHERE r.user_address = %(user_address)s AND r.closed_at < %(before)s AND r.hold_ms IS NOT NULL
              AND (%(window_days)s::bigint IS NULL OR r.closed_at >= %(before)s - %(window_days)s::bigint * 86400000)
        ) AS t
    ) AS a
    CROSS JOIN LATERAL leverage_win_rate(a.leverages, a.results) AS b
) AS w
LEFT JOIN trader_metrics_between(%(before)s, %(window_days)s) AS m ON m.user_address = %(user_address)s
LEFT JOIN trader_track(%(user_address)s, %(before)s, %(window_days)s) AS t ON true
LEFT JOIN trader_concentration(%(user_address)s, %(before)s, %(window_days)s) AS c ON true
CROSS JOIN LATERAL risk_score(
    l.avg_leverage, l.max_leverage, t.max_drawdown, t.volatility, c.concentration_index, NULL
) AS k
