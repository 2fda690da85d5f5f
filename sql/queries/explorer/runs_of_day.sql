-- What became of the runs of the last 24 hours, and what waits. One row. Parameters: now (ms).
SELECT
    count(*) FILTER (WHERE status = 'SUCCESS')  AS succeeded,
    count(*) FILTER (WHERE status = 'FAILURE')  AS failed,
    count(*) FILTER (WHERE status = 'CANCELED') AS canceled,
    count(*) FILTER (WHERE ended_at IS NULL)    AS open
FROM pipeline_runs
WHERE ended_at IS NULL OR ended_at > %(now)s - 86400000
