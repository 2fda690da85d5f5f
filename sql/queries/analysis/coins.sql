-- The coins with the most volume.
SELECT
    coin,
    sum(fill_count)::bigint AS fills,
    sum(volume)             AS volume_usd,
    sum(total_fees)         AS fees_usd
FROM coin_daily
GROUP BY coin
ORDER BY volume_usd DESC, coin
LIMIT 15
