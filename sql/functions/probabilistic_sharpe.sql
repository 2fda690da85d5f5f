-- Probability that the true Sharpe ratio exceeds a target, all three annual. NULL without an error.
-- Source: Bailey and Lopez de Prado 2012.
CREATE OR REPLACE FUNCTION probabilistic_sharpe(
    sharpe_ratio double precision, sharpe_se double precision, target double precision DEFAULT 0
)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT public.normal_cdf((sharpe_ratio - target) / nullif(sharpe_se, 0)) $$;
