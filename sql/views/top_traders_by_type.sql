-- top_traders_by_type: the 100 traders of each class with the highest net PnL; rank 1 is highest.
CREATE VIEW top_traders_by_type AS
SELECT
    types.trader_type,
    row_number() OVER (
        PARTITION BY types.trader_type ORDER BY p.net_pnl DESC NULLS LAST, p.user_address
    ) AS rank,
    p.user_address,
    p.net_pnl,
    p.total_volume,
    p.sharpe_ratio,
    p.win_rate,
    p.mtm_tv,
    p.maker_pct,
    p.trading_days,
    p.total_fills,
    p.avg_hold_hours,
    p.last_trade_time
FROM (SELECT DISTINCT trader_type FROM trader_profiles) AS types
-- Reads 100 rows a class from the index, however many traders there are.
CROSS JOIN LATERAL (
    SELECT q.*
    FROM trader_profiles AS q
    WHERE q.trader_type = types.trader_type
    ORDER BY q.net_pnl DESC NULLS LAST, q.user_address
    LIMIT 100
) AS p;
