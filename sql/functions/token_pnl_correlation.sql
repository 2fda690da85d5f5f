-- Pearson's correlation of what one trader made in two perps, day by day over a window that ends
-- before `before` (ms, a midnight); a day on which he did nothing in one is 0. One row.
CREATE OR REPLACE FUNCTION token_pnl_correlation(
    of_address text, token_a text, token_b text, before bigint, window_days bigint DEFAULT NULL
)
RETURNS TABLE (n_obs bigint, correlation double precision, correlation_reason text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH span AS (
        SELECT greatest(min(t.day), before - window_days * 86400000) AS start
        FROM trader_totals AS t
        WHERE t.user_address = of_address AND t.day < before
        HAVING count(*) > 0
    ), made AS MATERIALIZED (
        SELECT d.*
        FROM span
        CROSS JOIN LATERAL trader_token_days(of_address, span.start, before) AS d
        WHERE d.token IN (token_a, token_b)
    ), days AS (
        SELECT
            n.day,
            CASE WHEN a.day IS NULL THEN 0 ELSE a.pnl_usd END::double precision AS a,
            CASE WHEN b.day IS NULL THEN 0 ELSE b.pnl_usd END::double precision AS b
        FROM span
        CROSS JOIN generate_series(span.start, before - 86400000, 86400000) AS n (day)
        LEFT JOIN made AS a ON a.day = n.day AND a.token = token_a
        LEFT JOIN made AS b ON b.day = n.day AND b.token = token_b
    )
    SELECT c.*
    FROM (SELECT array_agg(d.a ORDER BY d.day) AS a, array_agg(d.b ORDER BY d.day) AS b FROM days AS d) AS s
    CROSS JOIN LATERAL correlation(s.a, s.b, publishing_limit('common_days')) AS c
$$;
