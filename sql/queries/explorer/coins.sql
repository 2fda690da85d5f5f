-- Every coin traded on the last day known, by volume.
SELECT coin, fill_count, unique_traders, volume, buy_volume, sell_volume, total_pnl, liquidation_count, liquidation_volume
FROM coin_daily
WHERE day = (SELECT max(day) FROM day_state)
ORDER BY volume DESC, coin
