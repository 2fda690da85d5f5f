-- Whether one trader's stated confidence is what came true, over his signals of [from_ms, until_ms);
-- one row a class of confidence.
CREATE OR REPLACE FUNCTION signal_calibration(of_trader bigint, from_ms bigint, until_ms bigint)
RETURNS TABLE (
    bin text, n bigint, mean_confidence double precision, hit_rate double precision,
    gap double precision, reason text, publishable boolean
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT k.*
    FROM (
        SELECT array_agg(o.confidence) AS confidences, array_agg(o.net_pnl_usd) AS outcomes
        FROM signal_outcomes(of_trader, from_ms, until_ms) AS o
    ) AS s
    CROSS JOIN LATERAL confidence_calibration(s.confidences, s.outcomes) AS k
$$;
