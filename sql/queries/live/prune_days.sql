-- Parameters: day.
DELETE FROM live_days WHERE day = %(day)s
