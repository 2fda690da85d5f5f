-- A day's fills in the positions that changed. Literals: day.
CREATE TEMPORARY TABLE changed_fills ON COMMIT DROP AS
SELECT f.*
FROM changed_positions AS c
JOIN fills AS f ON f.user_address = c.user_address AND f.coin = c.coin
WHERE c.next_day = {day}
  AND f.time >= {day} AND f.time < {day} + 86400000
