-- Parameters: relation, day, built_from, row_count, details, elapsed_seconds.
INSERT INTO artemis_state (relation, day, built_from, row_count, details, elapsed_seconds)
VALUES (
    %(relation)s, %(day)s, %(built_from)s, %(row_count)s, %(details)s, %(elapsed_seconds)s
)
ON CONFLICT (relation, day) DO UPDATE
SET built_from = excluded.built_from,
    row_count = excluded.row_count,
    details = excluded.details,
    elapsed_seconds = excluded.elapsed_seconds
