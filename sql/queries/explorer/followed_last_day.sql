-- How those who are followed did on the last day of the desk, and since the start.
SELECT t.trader_id, t.name, t.user_address, t.state, t.active, p.date, p.pnl, p.signals_count, p.trades_executed, p.equity_usd, t.paper_capital_usd, s.pnl_all
FROM traders AS t
LEFT JOIN LATERAL (
    SELECT q.* FROM trader_performance AS q WHERE q.trader_id = t.trader_id ORDER BY q.date DESC LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT sum(q.pnl) AS pnl_all FROM trader_performance AS q WHERE q.trader_id = t.trader_id
) AS s ON true
WHERE t.archived_at IS NULL
ORDER BY t.active DESC, t.priority, t.trader_id
