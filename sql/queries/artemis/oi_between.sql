-- Literals: coin, start, end.
SELECT recorded_at, kind, oi_usd, oi_base, usable
FROM oi_history
WHERE coin = {coin} AND recorded_at >= {start} AND recorded_at < {end}
ORDER BY recorded_at, kind
