-- Alerts nobody has acknowledged, intents nobody has taken, backtests that wait. One row.
SELECT
    (SELECT count(*) FROM alerts WHERE acknowledged_at IS NULL)          AS alerts,
    (SELECT count(*) FROM intents WHERE acknowledged_at IS NULL)         AS intents,
    (SELECT count(*) FROM backtests WHERE status = 'queued')             AS backtests_queued,
    (SELECT max(finished_at) / 1000.0 FROM backups WHERE NOT desk_only)  AS full_backup,
    (SELECT max(finished_at) / 1000.0 FROM backups)                      AS any_backup
