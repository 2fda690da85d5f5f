-- A paper account day by day. Parameters: trader_id.
SELECT p.date, p.equity_usd, p.unrealized_usd, p.pnl, p.fees_usd, p.funding_usd, p.signals_count,
    p.trades_executed, r.current_drawdown
FROM trader_performance AS p
LEFT JOIN trader_risk AS r USING (trader_id, date)
WHERE p.trader_id = %(trader_id)s
ORDER BY p.date
