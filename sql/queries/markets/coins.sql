-- Coins of one UTC day (NULL: the last one loaded), by volume, behind one of them.
SELECT day, coin, fill_count, unique_traders, volume, buy_volume, sell_volume, total_pnl, total_fees,
    liquidation_count, liquidation_volume
FROM coin_daily
WHERE day = coalesce(%(day)s::bigint, (SELECT max(day) FROM day_state))
    AND (%(after_name)s::text IS NULL
        OR volume < %(after_volume)s::numeric
        OR volume = %(after_volume)s::numeric AND coin > %(after_name)s)
ORDER BY volume DESC, coin
LIMIT %(limit)s
