-- Parameters: day, built_from, row_count.
INSERT INTO position_state (day, built_from, row_count)
VALUES (%(day)s, %(built_from)s, %(row_count)s)
ON CONFLICT (day) DO UPDATE
SET built_from = excluded.built_from, row_count = excluded.row_count
