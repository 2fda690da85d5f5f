-- How old the data are, what waits to be sent, when the last backup was. One row; times in ms.
SELECT
    (SELECT (extract(epoch FROM to_timestamp(max(file_id), 'YYYYMMDD/HH24')) * 1000)::bigint + 3600000 FROM load_progress) AS hour_end,
    (SELECT max(day) + 86400000 FROM day_state WHERE is_final)                  AS final_end,
    (SELECT count(*) FROM deliveries WHERE delivered_at IS NULL)                AS messages_waiting,
    (SELECT min(created_at) FROM deliveries WHERE delivered_at IS NULL)         AS waiting_since,
    (SELECT count(*) FROM alerts WHERE acknowledged_at IS NULL)                 AS alerts_open,
    (SELECT max(finished_at) FROM backups)                                      AS backup_at,
    (SELECT desk_only FROM backups ORDER BY finished_at DESC LIMIT 1)           AS backup_is_desk_only
