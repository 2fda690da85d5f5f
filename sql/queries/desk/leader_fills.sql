-- A leader's perp fills of a stretch, in the order of execution. Parameters: user_address, starts_at,
-- ends_at.
SELECT
    f.time, f.coin, f.side, f.px, f.sz, f.start_position,
    coalesce('twap ' || f.twap_id, 'oid ' || f.oid)                     AS "order",
    concat_ws(' ', f.coin, f.time, f.oid, f.tid)                        AS key,
    is_on_book(f.dir)                                                   AS on_book,
    coalesce(f.liquidation ->> 'liquidatedUser' = f.user_address, false) AS is_victim
FROM fills AS f
WHERE f.user_address = %(user_address)s AND f.time >= %(starts_at)s AND f.time < %(ends_at)s
  AND is_perp(f.coin)
ORDER BY f.time, f.block_number, f.event_index, f.oid, f.tid
