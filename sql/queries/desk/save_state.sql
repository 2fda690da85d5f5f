-- Parameters: relation, day, built_from, row_count.
INSERT INTO desk_state (relation, day, built_from, row_count)
VALUES (%(relation)s, %(day)s, %(built_from)s, %(row_count)s)
ON CONFLICT (relation, day) DO UPDATE
SET built_from = excluded.built_from, row_count = excluded.row_count
