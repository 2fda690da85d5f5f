-- Probability that a trader's true Sharpe ratio exceeds what the best of as many without skill
-- would show. NULL without an error.
CREATE OR REPLACE FUNCTION deflated_sharpe(
    sharpe_ratio double precision,
    sharpe_se double precision,
    trials bigint,
    variance_of_sharpes double precision
)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT public.probabilistic_sharpe(
        sharpe_ratio, sharpe_se, public.expected_max_sharpe(trials, variance_of_sharpes)
    )
$$;
