-- The win rate of closed trades by their leverage at entry, one row a class, in their order; last
-- those whose leverage is not known. A net PnL of 0 counts as a trade, but not in the rate.
CREATE OR REPLACE FUNCTION leverage_win_rate(leverages double precision[], net_pnls_usd numeric[])
RETURNS TABLE (
    bucket text,
    trades bigint,
    win_rate double precision,
    win_rate_lower double precision,
    win_rate_upper double precision,
    win_rate_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        c.bucket,
        c.trades,
        w.win_rate,
        w.win_rate_lower,
        w.win_rate_upper,
        w.win_rate_reason
    FROM (
        SELECT
            b.bucket,
            b.low,
            count(t.net)                            AS trades,
            count(*) FILTER (WHERE t.net > 0)       AS winners,
            count(*) FILTER (WHERE t.net < 0)       AS losers
        FROM (
            SELECT l.bucket, l.low, l.high FROM public.leverage_buckets() AS l
            UNION ALL
            SELECT 'unknown', NULL::double precision, NULL::double precision
        ) AS b
        LEFT JOIN unnest(leverages, net_pnls_usd) AS t (leverage, net)
            ON (t.leverage >= b.low AND t.leverage < b.high)
            OR (t.leverage IS NULL AND b.low IS NULL)
        GROUP BY b.bucket, b.low
    ) AS c
    CROSS JOIN LATERAL public.wilson_interval(c.winners, c.losers) AS w
    ORDER BY c.low NULLS LAST
$$;
