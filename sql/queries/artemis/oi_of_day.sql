-- Open interest of all coins. Literals: start.
SELECT coin, recorded_at, oi_usd
FROM oi_history
WHERE day = {start} AND usable
ORDER BY coin, recorded_at
