-- Followed traders, how their paper accounts stand, and the leaders' own record beside them.
-- Parameters: archived; trader_id (NULL: all), limit.
SELECT
    t.trader_id, t.user_address, t.variant, t.name, t.source, t.source_ref, t.state, t.active,
    t.priority, t.position_multiplier, t.base_size_usd, t.paper_capital_usd, t.note, t.followed_from,
    t.version, t.updated_at, t.updated_by, t.archived_at,
    p.date, p.equity_usd, p.equity_usd - t.paper_capital_usd AS result_usd,
    (p.equity_usd / t.paper_capital_usd - 1)::double precision AS roi,
    p.unrealized_usd, p.pnl AS day_pnl, p.signals_count, p.trades_executed,
    q.days, r.current_drawdown, r.max_drawdown, r.win_rate, r.decided_trades, r.consecutive_losses,
    c.copies, c.open_copies, a.open_alerts,
    l.trader_type AS leader_type, l.net_pnl AS leader_net_pnl, l.net_pnl_reason AS leader_net_pnl_reason,
    l.roi_all AS leader_roi, l.roi_all_reason AS leader_roi_reason,
    l.max_drawdown AS leader_max_drawdown, l.max_drawdown_reason AS leader_max_drawdown_reason,
    l.win_rate AS leader_win_rate, l.win_rate_reason AS leader_win_rate_reason,
    l.closed_trades AS leader_closed_trades,
    l.sharpe_ratio AS leader_sharpe_ratio, l.sharpe_ratio_reason AS leader_sharpe_ratio_reason
FROM traders AS t
LEFT JOIN published_traders AS l USING (user_address)
LEFT JOIN LATERAL (
    SELECT * FROM trader_performance AS x WHERE x.trader_id = t.trader_id ORDER BY x.date DESC LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT * FROM trader_risk AS x WHERE x.trader_id = t.trader_id ORDER BY x.date DESC LIMIT 1
) AS r ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS days FROM trader_performance AS x WHERE x.trader_id = t.trader_id
) AS q
CROSS JOIN LATERAL (
    SELECT count(*) AS copies, count(*) FILTER (WHERE x.closed_at IS NULL) AS open_copies
    FROM copies AS x WHERE x.trader_id = t.trader_id
) AS c
CROSS JOIN LATERAL (
    SELECT count(*) AS open_alerts FROM alerts AS x
    WHERE x.trader_id = t.trader_id AND (x.recovered_at IS NULL OR x.acknowledged_at IS NULL)
) AS a
WHERE CASE WHEN %(trader_id)s::bigint IS NULL THEN (t.archived_at IS NOT NULL) = %(archived)s
    ELSE t.trader_id = %(trader_id)s END
ORDER BY t.archived_at DESC NULLS FIRST, t.active DESC, t.priority, t.trader_id
LIMIT %(limit)s
