-- USD that a long of one unit paid at each hour in [start, end), of some coins: the settled rate
-- times the last close before. An hour without either is left out. Parameters: coins, start, end.
SELECT
    f.coin,
    f.time / 3600000 * 3600000 AS hour,
    f.rate * c.close           AS paid
FROM funding_history AS f
JOIN candles AS c
    ON c.coin = f.coin
    AND c.interval = '5m'
    AND c.open_time = f.time / 3600000 * 3600000 - 300000
WHERE f.coin = ANY(%(coins)s) AND f.time >= %(start)s AND f.time < %(end)s
