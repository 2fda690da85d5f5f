-- What traded on the book in each of some windows: the takers' rows. Each window is looked up by
-- itself, through the key's index on time: a few seconds of a day of millions of rows.
-- Parameters: coins, starts, ends (arrays of one length); first, last: the least start, the
-- greatest end.
SELECT
    w.n::int AS n,
    p.time,
    p.px,
    p.sz,
    p.side
FROM unnest(%(coins)s::text[], %(starts)s::bigint[], %(ends)s::bigint[])
    WITH ORDINALITY AS w (coin, start_at, end_at, n)
CROSS JOIN LATERAL (
    SELECT
        f.time,
        f.px,
        f.sz,
        f.side,
        f.block_number,
        f.event_index
    FROM fills AS f
    WHERE f.time >= w.start_at
      AND f.time < w.end_at
      AND f.time >= %(first)s
      AND f.time < %(last)s
      AND f.coin = w.coin
      AND f.crossed
      AND is_on_book(f.dir)
    OFFSET 0
) AS p
ORDER BY w.n, p.time, p.block_number, p.event_index
