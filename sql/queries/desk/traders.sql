-- One page of traders. Parts: key, direction (what to sort by, and which way), comparison (what comes
-- later in that order). `after_key` NULL: from the start. `coin`: traded on a loaded day.
SELECT *
FROM traders AS t
WHERE (%(state)s::text IS NULL AND t.state <> 'archived' OR t.state = %(state)s)
    AND (%(active)s::boolean IS NULL OR t.active = %(active)s)
    AND (%(text)s::text IS NULL
        OR strpos(lower(t.name), lower(%(text)s)) > 0
        OR strpos(t.user_address, lower(%(text)s)) > 0)
    AND (%(trader_type)s::text IS NULL OR EXISTS (
        SELECT FROM trader_profiles AS p
        WHERE p.user_address = t.user_address AND p.trader_type = %(trader_type)s
    ))
    AND (%(coin)s::text IS NULL OR EXISTS (
        SELECT FROM trader_coin_daily AS c
        WHERE c.user_address = t.user_address AND c.coin = %(coin)s
    ))
    AND (%(after_id)s::bigint IS NULL OR ({key}, t.trader_id) {comparison} (%(after_key)s, %(after_id)s::bigint))
ORDER BY {key} {direction}, t.trader_id {direction}
LIMIT %(limit)s
