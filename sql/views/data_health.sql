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
    s.loaded_at,
    -- How long after its end the day was loaded last.
    (extract(epoch FROM s.loaded_at) - (s.day + 86400000) / 1000.0)::bigint AS loaded_lag_s,
    f.stale_relations,
    f.failed_invariants,
    f.failed_runs,
    -- Why the day is not all that it may be; none: it is.
    array_remove(
        ARRAY[
            CASE WHEN s.missing_hours <> '{}' THEN 'hours_missing' END,
            CASE WHEN NOT s.is_final THEN 'provisional' END,
            CASE WHEN m.holes > 0 THEN 'blocks_missing' END,
            CASE WHEN q.rejected > 0 THEN 'lines_rejected' END,
            CASE WHEN f.stale_relations <> '{}' THEN 'stale' END,
            CASE WHEN f.failed_invariants <> '{}' THEN 'invariant_failed' END,
            CASE WHEN f.failed_runs > 0 THEN 'run_failed' END
        ],
        NULL
    ) AS reasons
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
CROSS JOIN LATERAL (
    SELECT
        ARRAY (
            SELECT r.relation
            FROM (
                SELECT split_part(o.name, '/', 2) FROM schema_objects AS o WHERE o.kind = 'model'
                UNION ALL
                VALUES ('round_trips')
            ) AS r (relation)
            WHERE NOT EXISTS (
                SELECT FROM aggregate_state AS b
                WHERE b.relation = r.relation AND b.day = s.day AND b.generation = s.generation
            )
            UNION ALL
            SELECT 'smart_money_positions' WHERE NOT EXISTS (SELECT FROM position_state AS b WHERE b.day = s.day)
            UNION ALL
            SELECT 'trader_metrics' WHERE NOT EXISTS (SELECT FROM metric_state AS b WHERE b.day = s.day)
            UNION ALL
            SELECT 'trader_labels' WHERE NOT EXISTS (SELECT FROM label_state AS b WHERE b.day = s.day)
            ORDER BY 1
        ) AS stale_relations,
        ARRAY (
            SELECT c.invariant
            FROM reconciliation AS c
            WHERE c.day = s.day AND c.status = 'failed' AND c.severity = 'error'
            ORDER BY 1
        ) AS failed_invariants,
        -- Runs over the day that failed, and that no later run of the same assets made up for.
        (
            SELECT count(*)
            FROM pipeline_runs AS r
            WHERE
                r.status = 'FAILURE'
                AND to_char(to_timestamp(s.day / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                BETWEEN r.first_partition AND r.last_partition
                AND NOT EXISTS (
                    SELECT FROM pipeline_runs AS n
                    WHERE
                        n.status = 'SUCCESS'
                        AND n.created_at > r.created_at
                        AND (n.assets @> r.assets OR n.assets = '{}')
                        AND to_char(to_timestamp(s.day / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                        BETWEEN n.first_partition AND n.last_partition
                )
        ) AS failed_runs
) AS f
ORDER BY s.day;
