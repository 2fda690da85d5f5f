-- Closes of the minute and of the five minutes that end with the day before, of coins that traded
-- in it. Literals: day.
SELECT
    c.coin,
    c.interval,
    max(c.close) FILTER (
        WHERE c.open_time = {day} - CASE c.interval WHEN '1m' THEN 60000 ELSE 300000 END
    ) AS close
FROM candles AS c
WHERE c.day = {day} - 86400000
GROUP BY c.coin, c.interval
HAVING bool_or(NOT c.filled)
ORDER BY c.coin, c.interval
