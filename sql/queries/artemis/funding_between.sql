-- Literals: coin, start, end.
SELECT time, rate
FROM funding_history
WHERE coin = {coin} AND time >= {start} AND time < {end}
ORDER BY time
