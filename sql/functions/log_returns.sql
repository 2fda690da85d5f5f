-- A perp's daily log returns from close to close, oldest first: of the `days` UTC days before
-- `before` (ms, a midnight); NULL for a day without both closes.
CREATE OR REPLACE FUNCTION log_returns(of_coin text, before bigint, days bigint)
RETURNS double precision[]
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(array_agg(r.change ORDER BY r.day) FILTER (WHERE r.number > 0), '{}')
    FROM (
        SELECT
            n.number,
            d.day,
            ln((p.close / lag(p.close) OVER (ORDER BY d.day))::double precision) AS change
        FROM generate_series(0, days) AS n (number)
        CROSS JOIN LATERAL (SELECT before - (days - n.number + 1) * 86400000) AS d (day)
        CROSS JOIN LATERAL (SELECT nullif(closing_price(of_coin, d.day), 0)) AS p (close)
    ) AS r
$$;
