-- Parameters: relation, day, generation, row_count.
INSERT INTO aggregate_state (relation, day, generation, row_count)
VALUES (%(relation)s, %(day)s, %(generation)s, %(row_count)s)
ON CONFLICT (relation, day) DO UPDATE
SET generation = excluded.generation, row_count = excluded.row_count
