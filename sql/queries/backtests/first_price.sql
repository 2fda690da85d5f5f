-- The first price of a coin in [start, end). Parameters: coin, start, end.
SELECT f.px
FROM fills AS f
WHERE f.time >= %(start)s AND f.time < %(end)s AND f.coin = %(coin)s AND is_on_book(f.dir)
ORDER BY f.time, f.block_number, f.event_index
LIMIT 1
