-- Parameters: day.
INSERT INTO known_traders (user_address)
SELECT user_address FROM trader_totals WHERE day = %(day)s
ON CONFLICT DO NOTHING
