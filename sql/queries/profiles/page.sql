-- One page of profiles. Part: key (what to sort by, highest first; undefined comes last).
SELECT p.*, coalesce(p.{key}::numeric, '-Infinity')::text AS sort_key
FROM trader_profiles AS p
WHERE (%(trader_type)s::text IS NULL OR p.trader_type = %(trader_type)s)
    AND (%(min_trading_days)s::bigint IS NULL OR p.trading_days >= %(min_trading_days)s)
    AND (%(min_volume)s::numeric IS NULL OR p.total_volume >= %(min_volume)s)
    AND (%(coin)s::text IS NULL OR EXISTS (
        SELECT FROM trader_coin_daily AS c WHERE c.user_address = p.user_address AND c.coin = %(coin)s
    ))
    AND (%(after_address)s::text IS NULL
        OR coalesce(p.{key}::numeric, '-Infinity') < %(after_key)s::numeric
        OR coalesce(p.{key}::numeric, '-Infinity') = %(after_key)s::numeric AND p.user_address > %(after_address)s)
ORDER BY coalesce(p.{key}::numeric, '-Infinity') DESC, p.user_address
LIMIT %(limit)s
