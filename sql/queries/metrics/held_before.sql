-- What was held when a day began. Literals: day.
SELECT user_address, coin, position, mark
FROM held_positions
WHERE day = {day} - 86400000
