-- What one trader held when the day before `at` ended.
SELECT coin, position, mark, abs(position * mark) AS exposure_usd
FROM held_positions
WHERE day = %(at)s - 86400000 AND user_address = %(address)s
ORDER BY exposure_usd DESC NULLS LAST, coin
