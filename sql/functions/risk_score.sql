-- A house convention, version 1: 0 is calm, 10 is not; one row, with its components of 0 to 1. What
-- is not known is left out and the rest weighs more, down to half of the weight.
CREATE OR REPLACE FUNCTION risk_score(
    avg_leverage double precision,
    max_leverage double precision,
    max_drawdown double precision,
    volatility double precision,
    concentration_index double precision,
    liquidation_risk double precision
)
RETURNS TABLE (
    risk_score double precision,
    risk_score_reason text,
    risk_components jsonb,
    available_weight double precision
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH components AS (
        SELECT
            c.name,
            greatest(least(c.value / c.scale, 1), 0)    AS share,
            c.weight
        FROM (
            VALUES
                ('avg_leverage', avg_leverage, 20, 0.20),
                ('max_leverage', max_leverage, 40, 0.10),
                ('max_drawdown', abs(max_drawdown), 0.5, 0.25),
                ('volatility', volatility, 2, 0.15),
                ('concentration_index', concentration_index, 1, 0.10),
                ('liquidation_risk', liquidation_risk, 1, 0.20)
        ) AS c (name, value, scale, weight)
        WHERE c.value IS NOT NULL
    ), known AS (
        SELECT
            coalesce(sum(c.weight), 0)                              AS weight,
            sum(c.weight * c.share)                                 AS weighted,
            coalesce(jsonb_object_agg(c.name, c.share), '{}')       AS shares
        FROM components AS c
    )
    SELECT
        CASE WHEN k.weight >= 0.5 THEN 10 * k.weighted / k.weight END,
        CASE WHEN k.weight < 0.5 THEN 'insufficient_components' END,
        k.shares,
        k.weight::double precision
    FROM known AS k
$$;
