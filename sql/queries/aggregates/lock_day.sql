-- No load may change the day while it is built. Parameters: day.
SELECT generation FROM day_state WHERE day = %(day)s FOR UPDATE
