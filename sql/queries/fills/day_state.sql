-- Parameters: day.
SELECT source, content_version, generation, row_count, repeated_count, missing_hours
FROM day_state
WHERE day = %(day)s
