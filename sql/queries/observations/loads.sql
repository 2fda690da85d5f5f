-- What came of each source: rows now in fills, lines rejected, objects, the end of the last hour.
-- One statement over one row an object: a year of hours is 9,000.
SELECT
    source,
    sum(rows_loaded)::bigint                                                     AS rows_loaded,
    sum(rows_rejected)::bigint                                                   AS rows_rejected,
    count(*)                                                                     AS objects,
    extract(epoch FROM max(loaded_at))                                           AS loaded_at,
    extract(epoch FROM to_timestamp(max(file_id), 'YYYYMMDD/HH24')) + 3600       AS hour_end
FROM load_progress
GROUP BY source
