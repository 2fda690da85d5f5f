-- Runs under way, and those that ended last, the newest first.
SELECT run_id, job, status, assets, first_partition, last_partition, backfill_id, created_at, started_at, ended_at,
    failed_steps, error, (coalesce(ended_at, %(now)s) - started_at) / 1000.0 AS seconds
FROM pipeline_runs
ORDER BY coalesce(ended_at, 9223372036854775807) DESC, created_at DESC
LIMIT %(limit)s
