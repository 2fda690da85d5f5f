-- Closes of the five-minute candles of all perps. Literals: start, end.
SELECT coin, open_time, close
FROM candles
WHERE interval = '5m' AND day >= {start} - 86400000 AND open_time >= {start} AND open_time < {end}
ORDER BY coin, open_time
