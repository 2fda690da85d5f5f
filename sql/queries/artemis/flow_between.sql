-- Literals: coin, start, end.
SELECT v.recorded_at, v.volume_usd, f.buy_volume_usd, f.sell_volume_usd
FROM volume_history AS v
JOIN trade_flow_history AS f ON f.coin = v.coin AND f.recorded_at = v.recorded_at
WHERE v.coin = {coin} AND v.recorded_at >= {start} AND v.recorded_at < {end}
ORDER BY v.recorded_at
