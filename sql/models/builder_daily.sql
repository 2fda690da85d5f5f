-- builder_daily: one row per UTC day and builder; `direct` is where the order came through none.
-- Rows before 2025-05-25 tell neither fee nor builder, and are not counted.
SELECT
    time_bucket(86400000::bigint, time)                              AS day,
    coalesce(builder, 'direct')                                      AS builder,
    count(*)                                                         AS fill_count,
    count(DISTINCT user_address)                                     AS unique_traders,
    trim_scale(sum(px * sz))                                         AS volume,
    trim_scale(coalesce(sum(fee_usd(fee, fee_token, coin, side, px)), 0)) AS total_fees,
    trim_scale(coalesce(sum(fee_usd(builder_fee, fee_token, coin, side, px)), 0)) AS builder_fees
FROM fills
WHERE fee IS NOT NULL
GROUP BY 1, 2
