-- Parameters: file_id, source, place, after, after_ms, before, before_ms.
INSERT INTO block_breaks
    (file_id, source, place, after_block, after_ms, before_block, before_ms)
VALUES (
    %(file_id)s, %(source)s, %(place)s, %(after)s, %(after_ms)s, %(before)s, %(before_ms)s
)
