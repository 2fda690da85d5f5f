-- A run as Dagster knows it now; one that was seen later already stays. Parameters: the columns.
INSERT INTO pipeline_runs (
    run_id, job, status, assets, first_partition, last_partition, backfill_id, retry_of,
    created_at, started_at, ended_at, failed_steps, error, updated_at
)
VALUES (
    %(run_id)s, %(job)s, %(status)s, %(assets)s, %(first_partition)s, %(last_partition)s, %(backfill_id)s, %(retry_of)s,
    %(created_at)s, %(started_at)s, %(ended_at)s, %(failed_steps)s, %(error)s, %(updated_at)s
)
ON CONFLICT (run_id) DO UPDATE
SET
    status = excluded.status,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    failed_steps = excluded.failed_steps,
    error = excluded.error,
    updated_at = excluded.updated_at
WHERE pipeline_runs.updated_at <= excluded.updated_at
