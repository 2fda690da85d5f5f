-- Parameters: day.
SELECT built_from FROM metric_state WHERE day = %(day)s
