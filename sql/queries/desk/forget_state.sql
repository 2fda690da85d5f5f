-- Parameters: day.
DELETE FROM desk_state WHERE relation = 'paper_trades' AND day >= %(day)s
