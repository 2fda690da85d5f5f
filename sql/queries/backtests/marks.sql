-- The last price on the book in [start, end), of some coins. Parameters: coins, start, end.
SELECT
    c.coin,
    p.px
FROM unnest(%(coins)s::text[]) AS c (coin)
CROSS JOIN LATERAL (
    SELECT f.px
    FROM fills AS f
    WHERE f.time >= %(start)s
      AND f.time < %(end)s
      AND f.coin = c.coin
      AND is_on_book(f.dir)
    ORDER BY f.time DESC, f.block_number DESC, f.event_index DESC
    LIMIT 1
) AS p
