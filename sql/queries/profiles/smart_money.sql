-- Smart money as it is classed now: the watchlist, or, where `everyone` is true, all of it.
SELECT p.user_address, p.first_trade_time, p.last_trade_time, p.net_pnl, p.sharpe_ratio, p.trader_type
FROM trader_profiles AS p
WHERE p.trader_type = 'SMART_DIRECTIONAL'
  AND (
    %(everyone)s
    OR EXISTS (SELECT FROM smart_money_watchlist AS w WHERE w.user_address = p.user_address)
  )
ORDER BY p.user_address
