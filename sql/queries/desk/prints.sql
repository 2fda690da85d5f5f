-- Trades on the book in stretches of the tape of some coins, each once by its taker's row, in their
-- order. Parameters: coins, starts, ends.
SELECT w.number, f.time, f.px, f.sz, CASE f.side WHEN 'B' THEN 'buy' ELSE 'sell' END
FROM unnest(%(coins)s::text[], %(starts)s::bigint[], %(ends)s::bigint[])
    WITH ORDINALITY AS w (coin, starts_at, ends_at, number)
JOIN fills AS f ON f.coin = w.coin AND f.time >= w.starts_at AND f.time < w.ends_at
WHERE f.crossed AND is_on_book(f.dir)
ORDER BY w.number, f.time, f.block_number, f.event_index
