-- Rows of the day in fills, and those the load says it left and left out. Parameters: day.
SELECT
    (SELECT count(*) FROM fills WHERE time >= %(day)s AND time < %(day)s::bigint + 86400000),
    s.row_count,
    s.repeated_count
FROM day_state AS s
WHERE s.day = %(day)s
