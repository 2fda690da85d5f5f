-- Parameters: day.
SELECT built_from FROM label_state WHERE day = %(day)s
