-- Pearson's correlation of two perps' daily log returns over the `days` UTC days before `before`
-- (ms, a midnight); one row.
CREATE OR REPLACE FUNCTION token_correlation(
    token_a text, token_b text, before bigint, days bigint DEFAULT 90
)
RETURNS TABLE (n_obs bigint, correlation double precision, correlation_reason text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT *
    FROM correlation(
        log_returns(token_a, before, days),
        log_returns(token_b, before, days),
        publishing_limit('common_days')
    )
$$;
