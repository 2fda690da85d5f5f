-- A day whose content did not change keeps its generation: nothing behind it becomes stale.
-- Parameters: day, source, content_version, row_count, repeated_count, missing_hours,
-- awaits.
INSERT INTO day_state AS s
    (day, source, content_version, generation, row_count, repeated_count, missing_hours,
     awaits, loaded_at)
VALUES (
    %(day)s, %(source)s, %(content_version)s, nextval('generation'), %(row_count)s,
    %(repeated_count)s, %(missing_hours)s, %(awaits)s, now()
)
ON CONFLICT (day) DO UPDATE
SET source = excluded.source,
    content_version = excluded.content_version,
    generation = CASE
        WHEN s.content_version = excluded.content_version THEN s.generation
        ELSE excluded.generation
    END,
    row_count = excluded.row_count,
    repeated_count = excluded.repeated_count,
    missing_hours = excluded.missing_hours,
    awaits = excluded.awaits,
    loaded_at = excluded.loaded_at
