-- How far stated confidence is from what came true, over decided signals that state one; one row.
-- The expected error weighs the gap of each class by its signals; Brier's score each signal by itself.
-- Source: Brier 1950; Naeini 2015.
CREATE OR REPLACE FUNCTION calibration_error(confidences double precision[], outcomes numeric[])
RETURNS TABLE (
    calibrated_signals bigint,
    expected_calibration_error double precision,
    expected_calibration_error_reason text,
    brier_score double precision,
    brier_score_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        c.n,
        c.error,
        CASE WHEN c.n = 0 THEN 'no_data' END,
        b.score,
        CASE WHEN c.n = 0 THEN 'no_data' END
    FROM (
        SELECT
            coalesce(sum(k.n), 0)::bigint                   AS n,
            (sum(k.n * abs(k.gap)) / sum(k.n)::double precision) AS error
        FROM public.confidence_calibration(confidences, outcomes) AS k
        WHERE k.n > 0
    ) AS c
    CROSS JOIN (
        SELECT avg(power(s.confidence - (s.outcome > 0)::int, 2)) AS score
        FROM unnest(confidences, outcomes) AS s (confidence, outcome)
        WHERE s.outcome <> 0
    ) AS b
$$;
