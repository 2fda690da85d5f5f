-- Runs that have not ended, by job and status, and since when the oldest waits or works.
SELECT job, status, count(*) AS runs, min(coalesce(started_at, created_at)) / 1000.0 AS since
FROM pipeline_runs
WHERE ended_at IS NULL
GROUP BY job, status
