-- The margin setting of positions over all snapshots, one element a position and snapshot; one row.
-- It caps size, and says nothing of how much is used: leverage_metrics does.
CREATE OR REPLACE FUNCTION set_leverage_metrics(set_leverages numeric[], position_values numeric[])
RETURNS TABLE (
    max_set_leverage double precision,
    max_set_leverage_reason text,
    avg_set_leverage_notional_weighted double precision,
    avg_set_leverage_notional_weighted_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        max(p.leverage)::double precision,
        CASE WHEN max(p.leverage) IS NULL THEN 'no_data' END,
        (sum(p.leverage * abs(p.value)) / nullif(sum(abs(p.value)), 0))::double precision,
        CASE
            WHEN max(p.leverage) IS NULL THEN 'no_data'
            WHEN sum(abs(p.value)) = 0 THEN 'zero_denominator'
        END
    FROM unnest(set_leverages, position_values) AS p (leverage, value)
    WHERE p.leverage IS NOT NULL
      AND p.value IS NOT NULL
$$;
