-- Built again from the same fills by the same text it is the same: nothing behind it is stale.
-- Parameters: relation, day, generation, definition, row_count.
INSERT INTO aggregate_state AS a (relation, day, generation, definition, row_count)
VALUES (%(relation)s, %(day)s, %(generation)s, %(definition)s, %(row_count)s)
ON CONFLICT (relation, day) DO UPDATE
SET generation = excluded.generation,
    definition = excluded.definition,
    row_count = excluded.row_count,
    revision = CASE
        WHEN (a.generation, a.definition) = (excluded.generation, excluded.definition) THEN a.revision
        ELSE excluded.revision
    END
