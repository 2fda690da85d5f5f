-- The coins with the most liquidated, each trade once.
SELECT
    coin,
    sum(liquidation_count)::bigint AS liquidations,
    sum(liquidation_volume)        AS liquidated_usd
FROM coin_daily
WHERE liquidation_count > 0
GROUP BY coin
ORDER BY liquidated_usd DESC, coin
LIMIT 15
