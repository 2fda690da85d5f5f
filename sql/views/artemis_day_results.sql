-- artemis_day_results: one row per UTC day of the feature line: what came out of it. NULL where a
-- stage has not been built. Of labels and rejected rows, what is known now.
CREATE VIEW artemis_day_results AS
SELECT
    (to_timestamp(s.day / 1000.0) AT TIME ZONE 'UTC')::date              AS date,
    max(s.row_count) FILTER (WHERE s.relation = 'addresses')             AS addresses_discovered,
    max(s.row_count) FILTER (WHERE s.relation = 'liquidation_events')    AS liquidation_events,
    max((s.details ->> 'trades')::bigint) FILTER (WHERE s.relation = 'candles')
                                                                         AS trades_processed,
    max((s.details ->> 'wallets')::bigint) FILTER (WHERE s.relation = 'wallet_profiles')
                                                                         AS profiles_computed,
    max(s.row_count) FILTER (WHERE s.relation = 'feature_snapshots')     AS snapshots_reconstructed,
    max(coalesce((s.details -> 'status' ->> 'complete')::bigint, 0))
        FILTER (WHERE s.relation = 'snapshot_labels')                    AS labels_computed,
    max(coalesce((s.details -> 'status' ->> 'pending')::bigint, 0))
        FILTER (WHERE s.relation = 'snapshot_labels')                    AS labels_pending,
    q.rejected
        + coalesce(max((s.details ->> 'rejected_lines')::bigint)
            FILTER (WHERE s.relation = 'oi_history'), 0)                 AS rows_rejected,
    sum(s.elapsed_seconds)                                               AS elapsed_seconds
FROM artemis_state AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS rejected
    FROM quarantined_lines AS l
    WHERE l.file_id LIKE to_char(to_timestamp(s.day / 1000.0) AT TIME ZONE 'UTC', 'YYYYMMDD') || '/%'
) AS q
GROUP BY s.day, q.rejected
ORDER BY s.day;
