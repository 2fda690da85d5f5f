-- Candles made of our own fills. Literals: coin, interval, start, end.
SELECT open_time, open, high, low, close, volume, trades
FROM candles
WHERE coin = {coin} AND interval = {interval} AND open_time >= {start} AND open_time < {end}
    AND source = 'fills'
ORDER BY open_time
