-- What metric_state said of the last day before `before` (ms) at known_at; what it says now where that
-- is NULL. One row at most.
CREATE OR REPLACE FUNCTION last_metric_state(before bigint, known_at timestamptz)
RETURNS TABLE (loaded_days bigint, complete_days bigint, trials bigint, sharpe_variance double precision)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    (
        SELECT s.loaded_days, s.complete_days, s.trials, s.sharpe_variance
        FROM metric_state AS s
        WHERE known_at IS NULL AND s.day < before
        ORDER BY s.day DESC
        LIMIT 1
    )
    UNION ALL
    (
        SELECT v.loaded_days, v.complete_days, v.trials, v.sharpe_variance
        FROM metric_state_versions AS v
        WHERE v.day < before
          AND v.known_from <= known_at AND (v.known_until IS NULL OR v.known_until > known_at)
        ORDER BY v.day DESC
        LIMIT 1
    )
$$;
