-- How alike the daily results of each two of some traders are. On a constant base dollars do as well
-- as returns. Parameters: addresses, at, min_days.
WITH series AS (
    SELECT
        w.user_address,
        array_agg((to_timestamp(t.day / 1000) AT TIME ZONE 'UTC')::date ORDER BY t.day) AS days,
        array_agg(
            (CASE WHEN w.is_marked THEN t.mark_to_market_pnl ELSE t.net_pnl END)::double precision ORDER BY t.day
        ) AS results
    FROM unnest(%(addresses)s::text[]) AS a (address)
    CROSS JOIN LATERAL (SELECT * FROM trader_windows(%(at)s, NULL) AS x WHERE x.user_address = a.address) AS w
    JOIN trader_totals AS t ON t.user_address = w.user_address AND t.day < %(at)s
    WHERE w.unknown_days = 0
    GROUP BY w.user_address
)
SELECT a.user_address AS address_a, b.user_address AS address_b, c.n_days, c.correlation, c.correlation_reason
FROM series AS a
JOIN series AS b ON b.user_address > a.user_address
CROSS JOIN LATERAL return_correlation(a.days, a.results, b.days, b.results, %(min_days)s) AS c
