-- Every builder of the last day known, by volume.
SELECT builder, fill_count, unique_traders, volume, total_fees, builder_fees
FROM builder_daily
WHERE day = (SELECT max(day) FROM day_state)
ORDER BY volume DESC, builder
