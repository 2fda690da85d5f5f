-- Parameters: day.
SELECT count(*) FROM round_trips WHERE day = %(day)s
