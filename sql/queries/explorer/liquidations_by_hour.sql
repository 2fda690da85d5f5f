-- Liquidations of a time, a line per coin and hour.
SELECT
    coin,
    time - time %% 3600000                                  AS hour,
    count(*)                                                AS trades,
    count(DISTINCT liquidated_user)                         AS victims,
    sum(notional)                                           AS notional,
    max(notional)                                           AS largest
FROM recent_liquidations
WHERE time >= %(from)s AND time < %(until)s
  AND (%(coin)s::text IS NULL OR coin = %(coin)s)
  AND (%(least)s::numeric IS NULL OR notional >= %(least)s)
GROUP BY coin, hour
ORDER BY coin, hour
