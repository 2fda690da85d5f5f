-- Perp rows of some traders in [start, end), in the order of execution, and what the reading of
-- signals asks of them. Parameters: addresses, start, end.
SELECT
    f.user_address,
    f.time,
    f.coin,
    f.side,
    f.px,
    f.sz,
    f.start_position,
    coalesce('twap:' || f.twap_id, 'order:' || f.oid)                        AS order_name,
    concat_ws('/', f.user_address, f.time, f.coin, f.oid, f.tid)           AS key,
    is_on_book(f.dir)                                                        AS on_book,
    coalesce(lower(f.liquidation ->> 'liquidatedUser') = f.user_address, false) AS is_victim,
    fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px)                        AS fee_usd
FROM fills AS f
WHERE f.user_address = ANY(%(addresses)s)
  AND f.time >= %(start)s
  AND f.time < %(end)s
  AND is_perp(f.coin)
ORDER BY f.user_address, f.time, f.block_number, f.event_index
