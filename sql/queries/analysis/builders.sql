-- The builders with the most volume; `direct` is none.
SELECT
    builder,
    sum(fill_count)::bigint AS fills,
    sum(volume)             AS volume_usd,
    sum(builder_fees)       AS builder_fees_usd
FROM builder_daily
GROUP BY builder
ORDER BY volume_usd DESC, builder
LIMIT 15
