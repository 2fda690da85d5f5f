-- The share of each token in a trader's gross exposure (or traded notional), one row a token. A
-- token without any does not exist.
CREATE OR REPLACE FUNCTION token_distribution(tokens text[], exposures numeric[])
RETURNS TABLE (token text, share double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        e.token,
        (sum(e.exposure) / sum(sum(e.exposure)) OVER ())::double precision
    FROM unnest(tokens, exposures) AS e (token, exposure)
    WHERE e.exposure > 0
    GROUP BY e.token
$$;
