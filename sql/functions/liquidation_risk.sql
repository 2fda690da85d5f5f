-- Probability that a mark touches the liquidation price within the horizon, by the first passage of
-- a Brownian motion without drift; one row. Without a reachable price it is 0.
-- sigma_daily: sample deviation of the mark's daily log returns. An account's risk is the largest
-- of its positions', a lower bound.
CREATE OR REPLACE FUNCTION liquidation_risk(
    mark_price double precision,
    liquidation_price double precision,
    sigma_daily double precision,
    horizon_days double precision DEFAULT 7
)
RETURNS TABLE (liquidation_risk double precision, liquidation_risk_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        CASE
            WHEN liquidation_price IS NULL OR liquidation_price <= 0 THEN 0
            WHEN r.reason IS NOT NULL THEN NULL
            WHEN sigma_daily * horizon_days = 0 THEN (liquidation_price = mark_price)::integer
            -- At most 1 as it stands: normal_cdf is at most a half below 0.
            ELSE 2 * public.normal_cdf(
                -abs(ln(liquidation_price / mark_price)) / (sigma_daily * sqrt(horizon_days))
            )
        END,
        CASE WHEN liquidation_price > 0 THEN r.reason END
    FROM (
        SELECT CASE
            WHEN mark_price IS NULL OR mark_price <= 0 THEN 'no_data'
            WHEN sigma_daily IS NULL THEN 'too_few_observations'
        END AS reason
    ) AS r
$$;
