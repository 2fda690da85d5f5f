-- Classes with their traders, fills, volume and net PnL, largest first.
SELECT
    trader_type,
    count(*)            AS traders,
    sum(total_fills)::bigint AS fills,
    sum(total_volume)   AS volume,
    sum(net_pnl)        AS net_pnl
FROM trader_profiles
GROUP BY trader_type
ORDER BY traders DESC, trader_type
