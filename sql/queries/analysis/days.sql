-- The market by UTC day: each trade once. Perps and spot together.
SELECT
    to_char(to_timestamp(c.day / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
    sum(c.fill_count)::bigint AS fills,
    t.traders,
    sum(c.volume)             AS volume_usd,
    sum(c.liquidation_volume) AS liquidation_volume_usd
FROM coin_daily AS c
JOIN (SELECT day, count(*) AS traders FROM trader_daily GROUP BY day) AS t ON t.day = c.day
GROUP BY c.day, t.traders
ORDER BY c.day
