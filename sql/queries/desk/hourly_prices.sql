-- The last price on the book in each hour of a stretch, of some coins; no row for a quiet hour.
-- Parameters: coins, starts_at, ends_at (full hours).
SELECT c.coin, h.starts_at + 3600000, p.px
FROM unnest(%(coins)s::text[]) AS c (coin)
CROSS JOIN generate_series(%(starts_at)s::bigint, %(ends_at)s::bigint - 1, 3600000) AS h (starts_at)
CROSS JOIN LATERAL (
    SELECT f.px
    FROM fills AS f
    WHERE f.coin = c.coin AND f.time >= h.starts_at AND f.time < h.starts_at + 3600000 AND is_on_book(f.dir)
    ORDER BY f.time DESC, f.block_number DESC, f.event_index DESC
    LIMIT 1
) AS p
