-- Literals: coin, interval, start, end.
SELECT open_time, open, high, low, close, filled
FROM candles
WHERE coin = {coin} AND interval = {interval} AND open_time >= {start} AND open_time < {end}
ORDER BY open_time
