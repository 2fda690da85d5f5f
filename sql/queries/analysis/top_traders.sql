-- The best of each class.
SELECT
    trader_type,
    rank,
    user_address,
    net_pnl       AS net_pnl_usd,
    total_volume  AS volume_usd,
    sharpe_ratio,
    win_rate,
    trading_days
FROM top_traders_by_type
WHERE rank <= 5
ORDER BY trader_type, rank
