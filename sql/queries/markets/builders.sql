-- Builders of one UTC day (NULL: the last one loaded), by volume, behind one of them.
SELECT day, builder, fill_count, unique_traders, volume, total_fees, builder_fees
FROM builder_daily
WHERE day = coalesce(%(day)s::bigint, (SELECT max(day) FROM day_state))
    AND (%(after_name)s::text IS NULL
        OR volume < %(after_volume)s::numeric
        OR volume = %(after_volume)s::numeric AND builder > %(after_name)s)
ORDER BY volume DESC, builder
LIMIT %(limit)s
