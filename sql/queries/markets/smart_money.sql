-- What smart money held, hour by hour, newest first, behind one row. NULLs: the last day loaded.
SELECT coin, hour, long_notional, short_notional, net_bias, traders
FROM smart_money_positions
WHERE hour >= coalesce(%(start)s::bigint, data_end() - 86400000)
    AND hour < coalesce(%(end)s::bigint, data_end() + 1)
    AND (%(coin)s::text IS NULL OR coin = %(coin)s)
    AND (%(after_hour)s::bigint IS NULL
        OR hour < %(after_hour)s OR hour = %(after_hour)s AND coin > %(after_coin)s)
ORDER BY hour DESC, coin
LIMIT %(limit)s
