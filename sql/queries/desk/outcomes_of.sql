-- What became of a trader's signals, by code. Parameters: trader_id.
SELECT outcome, action = 'open' AS is_opening, count(*) AS signals
FROM signals
WHERE trader_id = %(trader_id)s
GROUP BY 1, 2
ORDER BY 2 DESC, 3 DESC, 1
