-- Later days are evaluated again. Parameters: day.
DELETE FROM label_state WHERE day >= %(day)s
