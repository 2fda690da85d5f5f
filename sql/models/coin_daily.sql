-- coin_daily: one row per UTC day and coin. Each trade counts once, by its taker's row.
-- PnL and fees are NULL where no row tells them: before 2025-05-25. A dust conversion is no trade: the exchange sells the gathered dust in one that is.
SELECT
    time_bucket(86400000::bigint, time)                              AS day,
    coin,
    count(*)                                                         AS fill_count,
    count(DISTINCT user_address)                                     AS unique_traders,
    trim_scale(coalesce(sum(px * sz) FILTER (
        WHERE crossed AND dir IS DISTINCT FROM 'Spot Dust Conversion'
    ), 0))                                                           AS volume,
    trim_scale(coalesce(sum(px * sz) FILTER (
        WHERE crossed AND dir IS DISTINCT FROM 'Spot Dust Conversion' AND side = 'B'
    ), 0))                                                           AS buy_volume,
    trim_scale(coalesce(sum(px * sz) FILTER (
        WHERE crossed AND dir IS DISTINCT FROM 'Spot Dust Conversion' AND side = 'A'
    ), 0))                                                           AS sell_volume,
    trim_scale(sum(closed_pnl))                                      AS total_pnl,
    CASE WHEN count(fee) > 0 THEN
        trim_scale(coalesce(sum(fee_usd(fee, fee_token, coin, side, px)), 0))
    END                                                              AS total_fees,
    count(*) FILTER (WHERE liquidation IS NOT NULL AND crossed)      AS liquidation_count,
    trim_scale(coalesce(sum(px * sz) FILTER (
        WHERE liquidation IS NOT NULL AND crossed
    ), 0))                                                           AS liquidation_volume
FROM fills
GROUP BY 1, 2
