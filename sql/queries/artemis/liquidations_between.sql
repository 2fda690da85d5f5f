-- Literals: coin, start, end.
SELECT occurred_at, size_usd
FROM liquidation_events
WHERE coin = {coin} AND occurred_at >= {start} AND occurred_at < {end}
ORDER BY occurred_at
