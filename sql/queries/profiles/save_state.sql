-- Parameters: built_from, row_count.
INSERT INTO profile_state (built_from, row_count)
VALUES (%(built_from)s, %(row_count)s)
ON CONFLICT (only_row) DO UPDATE
SET built_from = excluded.built_from, row_count = excluded.row_count
