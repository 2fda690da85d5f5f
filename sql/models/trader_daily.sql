-- trader_daily: one row per UTC day and trader. Volume counts the trader's own rows.
-- PnL and fees are NULL where no row of the trader tells them: before 2025-05-25.
-- trim_scale only drops zeros behind the last digit: the lake's scale is not a figure's precision.
SELECT
    time_bucket(86400000::bigint, time)                              AS day,
    user_address,
    count(*)                                                         AS fill_count,
    trim_scale(sum(px * sz))                                         AS volume,
    count(DISTINCT coin)                                             AS unique_coins,
    trim_scale(sum(closed_pnl))                                      AS realized_pnl,
    CASE WHEN count(fee) > 0 THEN
        trim_scale(coalesce(sum(fee_usd(fee, fee_token, coin, side, px)), 0))
    END                                                              AS fees_paid,
    CASE WHEN count(fee) > 0 THEN
        trim_scale(coalesce(sum(fee_usd(builder_fee, fee_token, coin, side, px)), 0))
    END                                                              AS builder_fees_paid,
    count(*) FILTER (
        WHERE fee IS NOT NULL AND fee_usd(fee, fee_token, coin, side, px) IS NULL
    )                                                                AS unpriced_fee_fills,
    count(*) FILTER (WHERE crossed)                                  AS taker_fills,
    count(*) FILTER (WHERE NOT crossed)                              AS maker_fills,
    count(*) FILTER (WHERE closed_pnl > 0)                           AS winning_fills,
    count(*) FILTER (WHERE closed_pnl < 0)                           AS losing_fills,
    count(*) FILTER (WHERE closed_pnl <> 0)                          AS closing_fills,
    count(*) FILTER (WHERE dir = 'Open Long')                        AS open_long_count,
    count(*) FILTER (WHERE dir = 'Open Short')                       AS open_short_count,
    count(*) FILTER (WHERE liquidation IS NOT NULL)                  AS liquidation_fills,
    trim_scale(coalesce(sum(px * sz) FILTER (WHERE liquidation IS NOT NULL), 0)) AS liquidation_volume,
    count(*) FILTER (WHERE twap_id IS NOT NULL)                      AS twap_fills,
    trim_scale(coalesce(sum(px * sz) FILTER (WHERE twap_id IS NOT NULL), 0)) AS twap_volume
FROM fills
GROUP BY 1, 2
