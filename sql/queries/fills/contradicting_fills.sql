-- Keys of which two rows differ in what happened, not only in where it was written.
SELECT time, user_address, coin, oid, tid
FROM {new_day}
WHERE tid IS NOT NULL
GROUP BY time, user_address, coin, oid, tid
HAVING count(DISTINCT (px, sz, side, start_position, closed_pnl, fee, fee_token, crossed)) > 1
LIMIT 1
