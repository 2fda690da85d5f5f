-- The watchlist, best Sharpe ratio first.
SELECT user_address, trading_days, total_volume, net_pnl, sharpe_ratio, win_rate, last_trade_time
FROM smart_money_watchlist
ORDER BY sharpe_ratio DESC, user_address
