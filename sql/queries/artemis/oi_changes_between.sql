-- Literals: coin, start, end.
SELECT start_at, end_at, change_base
FROM oi_changes
WHERE coin = {coin} AND start_at >= {start} AND start_at < {end}
ORDER BY start_at
