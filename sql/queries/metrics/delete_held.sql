-- Parameters: day.
DELETE FROM held_positions WHERE day = %(day)s
