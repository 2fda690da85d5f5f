-- data_health: one row per loaded UTC day: what came, what is missing, what is stale.
CREATE VIEW data_health AS
SELECT
    to_char(to_timestamp(s.day / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
    s.source,
    s.source LIKE 'sandbox%'                    AS is_simulated,
    24                                          AS hours_expected,
    24 - cardinality(s.missing_hours)           AS hours_present,
    s.missing_hours,
    s.is_final,
    s.awaits,
    coalesce(m.holes, 0)                        AS holes_in_blocks,
    s.row_count                                 AS fills,
    s.repeated_count                            AS repeated_fills,
    coalesce(q.rejected, 0)                     AS rejected_lines,
    coalesce(t.unpriced, 0)                     AS unpriced_fee_fills,
    coalesce(a.current, 0) = a.relations        AS aggregates_current,
    s.loaded_at
FROM day_state AS s
LEFT JOIN LATERAL (
    SELECT count(*) AS rejected
    FROM quarantined_lines AS l
    WHERE l.file_id LIKE to_char(to_timestamp(s.day / 1000.0) AT TIME ZONE 'UTC', 'YYYYMMDD') || '/%'
) AS q ON true
LEFT JOIN LATERAL (
    SELECT sum(d.unpriced_fee_fills)::bigint AS unpriced
    FROM trader_daily AS d
    WHERE d.day = s.day
) AS t ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS holes
    FROM missing_blocks AS b
    WHERE b.after_ms >= s.day AND b.after_ms < s.day + 86400000
) AS m ON true
CROSS JOIN LATERAL (
    SELECT
        -- The models, and round_trips.
        1 + (SELECT count(*) FROM schema_objects AS o WHERE o.kind = 'model') AS relations,
        count(*) FILTER (WHERE b.generation = s.generation)               AS current
    FROM aggregate_state AS b
    WHERE b.day = s.day
) AS a
ORDER BY s.day;
