-- The last fills of one trader, those that were only streamed among them.
-- Parameters: address, since, limit.
SELECT time, coin, side, dir, px, sz, closed_pnl, fee, fee_token, crossed, is_live
FROM fills_now
WHERE user_address = %(address)s AND time >= %(since)s
ORDER BY time DESC, oid DESC, tid DESC
LIMIT %(limit)s
