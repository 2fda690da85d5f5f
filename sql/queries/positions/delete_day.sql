-- Parameters: day.
DELETE FROM smart_money_positions
WHERE hour >= %(day)s AND hour < %(day)s::bigint + 86400000
