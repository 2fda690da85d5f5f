-- What of a day is loaded, by its content. Parameters: day.
SELECT source, content_version, row_count, repeated_count, missing_hours
FROM day_state
WHERE day = %(day)s
