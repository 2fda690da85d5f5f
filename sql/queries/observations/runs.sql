-- Runs that ended, by job and status: how many, how long, and how many within each bound of the
-- histogram. A run that never started lasted no time. Parameters: bounds, in seconds, ascending.
WITH runs AS (
    SELECT job, status, ended_at, greatest(ended_at - coalesce(started_at, ended_at), 0) / 1000.0 AS seconds
    FROM pipeline_runs
    WHERE ended_at IS NOT NULL
)
SELECT
    job,
    status,
    count(*)                  AS runs,
    sum(seconds)              AS seconds,
    max(ended_at) / 1000.0    AS ended_at,
    ARRAY (
        SELECT count(*) FILTER (WHERE r.seconds <= b.bound)
        FROM unnest(%(bounds)s::double precision[]) WITH ORDINALITY AS b (bound, n)
        LEFT JOIN runs AS r ON r.job = runs.job AND r.status = runs.status
        GROUP BY b.n
        ORDER BY b.n
    )                         AS within
FROM runs
GROUP BY job, status
