-- Liquidation trades of [start, end), newest first, behind one of them. NULLs: the last day loaded.
SELECT time, coin, liquidated_user, liquidator, px, sz, notional, mark_px, method, tid
FROM recent_liquidations
WHERE time >= coalesce(%(start)s::bigint, data_end() - 86400000)
    AND time < coalesce(%(end)s::bigint, data_end())
    AND (%(coin)s::text IS NULL OR coin = %(coin)s)
    AND (%(user)s::text IS NULL OR liquidated_user = %(user)s)
    AND (%(least)s::numeric IS NULL OR notional >= %(least)s)
    AND (%(after_time)s::bigint IS NULL OR time <= %(after_time)s
        AND (time < %(after_time)s
            OR (coin, tid, liquidated_user) > (%(after_coin)s, %(after_tid)s::bigint, %(after_user)s)))
ORDER BY time DESC, coin, tid, liquidated_user
LIMIT %(limit)s
