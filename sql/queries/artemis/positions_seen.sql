-- Of the positions traded on a day, those that were traded before. Literals: start.
SELECT t.user_address AS address, t.coin
FROM trader_coin_daily AS t
WHERE t.day = {start}
  AND EXISTS (
    SELECT
    FROM trader_coin_daily AS d
    WHERE d.user_address = t.user_address AND d.coin = t.coin AND d.day < {start}
      AND d.position IS NOT NULL
  )
ORDER BY 1, 2
