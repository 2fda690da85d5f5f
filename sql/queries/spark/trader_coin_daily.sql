-- What profiles read of a day's positions, which only the walk over fills knows.
SELECT user_address, coin, day, first_time, last_time, closed_trades, hold_ms
FROM trader_coin_daily
WHERE day = %(day)s
ORDER BY user_address, coin
