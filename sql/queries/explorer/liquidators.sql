-- Who took over most, of the liquidations of a time.
SELECT l.liquidator, count(*) AS trades, sum(l.notional) AS notional, count(DISTINCT l.coin) AS coins, min(p.trader_type) AS trader_type
FROM recent_liquidations AS l
LEFT JOIN published_traders AS p ON p.user_address = l.liquidator
WHERE l.time >= %(from)s AND l.time < %(until)s
  AND (%(coin)s::text IS NULL OR l.coin = %(coin)s)
  AND (%(least)s::numeric IS NULL OR l.notional >= %(least)s)
GROUP BY l.liquidator
ORDER BY notional DESC, l.liquidator
LIMIT %(limit)s
