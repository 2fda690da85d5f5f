-- Parameters: day, built_from, row_count, complete, stands_on.
INSERT INTO metric_state (day, built_from, row_count, complete, stands_on, loaded_days, complete_days)
SELECT
    %(day)s,
    %(built_from)s,
    %(row_count)s,
    %(complete)s,
    %(stands_on)s,
    coalesce(max(b.loaded_days), 0) + 1,
    coalesce(max(b.complete_days), 0) + %(complete)s::boolean::int
FROM metric_state AS b
WHERE b.day < %(day)s
ON CONFLICT (day) DO UPDATE
SET built_from = excluded.built_from, row_count = excluded.row_count, complete = excluded.complete,
    stands_on = excluded.stands_on, loaded_days = excluded.loaded_days, complete_days = excluded.complete_days
