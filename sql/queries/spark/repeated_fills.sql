-- A fill that was delivered more than once, if there is any.
SELECT time
FROM lake_fills
WHERE tid IS NOT NULL
GROUP BY time, user_address, coin, oid, tid
HAVING count(*) > 1
LIMIT 1
