-- The Sharpe ratio that the best of so many traders would show if none of them had any skill, from
-- the variance of their ratios. Fewer than two were not chosen among: 0. gamma is Euler's constant.
-- Source: Bailey and Lopez de Prado 2014.
CREATE OR REPLACE FUNCTION expected_max_sharpe(trials bigint, variance_of_sharpes double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN trials < 2 THEN 0
        ELSE sqrt(variance_of_sharpes) * (
            (1 - e.gamma) * public.normal_quantile(1 - 1 / m.trials)
            + e.gamma * public.normal_quantile(1 - 1 / (m.trials * exp(1::double precision)))
        )
    END
    FROM (VALUES (0.5772156649015329::double precision)) AS e (gamma)
    CROSS JOIN (VALUES (trials::double precision)) AS m (trials)
$$;
