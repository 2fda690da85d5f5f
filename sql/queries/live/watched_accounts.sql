-- Whom to watch, the most wanted first: those who are followed, those who are named, and the
-- watchlist by its Sharpe ratio. Parameters: named.
SELECT w.address
FROM (
    SELECT t.user_address AS address, 0 AS rank, (NOT t.active)::int AS second, t.priority AS third, 0::numeric AS fourth
    FROM traders AS t
    WHERE t.archived_at IS NULL AND t.user_address IS NOT NULL
    UNION ALL
    SELECT n.address, 1, 0, n.place::int, 0
    FROM unnest(%(named)s::text[]) WITH ORDINALITY AS n (address, place)
    UNION ALL
    SELECT l.user_address, 2, 0, 0, -coalesce(l.sharpe_ratio, 0)
    FROM smart_money_watchlist AS l
) AS w
GROUP BY w.address
ORDER BY min((w.rank, w.second, w.third, w.fourth)), w.address
