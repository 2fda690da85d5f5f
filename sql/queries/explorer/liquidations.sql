-- The largest liquidation trades of a time.
SELECT time, coin, liquidated_user, liquidator, px, sz, notional, mark_px, method
FROM recent_liquidations
WHERE time >= %(from)s AND time < %(until)s
  AND (%(coin)s::text IS NULL OR coin = %(coin)s)
  AND (%(least)s::numeric IS NULL OR notional >= %(least)s)
ORDER BY notional DESC, time, coin
LIMIT %(limit)s
