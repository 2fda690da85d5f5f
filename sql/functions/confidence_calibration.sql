-- Whether stated confidence is what came true; one row a class, in their order, over the decided
-- signals that state one. outcomes: net PnL, NULL while open; 0 decides nothing.
-- gap above 0: better than was said.
CREATE OR REPLACE FUNCTION confidence_calibration(confidences double precision[], outcomes numeric[])
RETURNS TABLE (
    bin text,
    n bigint,
    mean_confidence double precision,
    hit_rate double precision,
    gap double precision,
    reason text,
    publishable boolean
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        c.bin,
        c.n,
        c.mean_confidence,
        c.hit_rate,
        c.hit_rate - c.mean_confidence,
        CASE WHEN c.n = 0 THEN 'no_data' END,
        c.n >= public.publishing_limit('decided_signals')
    FROM (
        SELECT
            b.bin,
            b.low,
            count(s.confidence)                 AS n,
            avg(s.confidence)                   AS mean_confidence,
            avg((s.outcome > 0)::int::double precision) AS hit_rate
        FROM public.confidence_bins() AS b
        LEFT JOIN unnest(confidences, outcomes) AS s (confidence, outcome)
            ON s.confidence >= b.low AND s.confidence < b.high AND s.outcome <> 0
        GROUP BY b.bin, b.low
    ) AS c
    ORDER BY c.low
$$;
