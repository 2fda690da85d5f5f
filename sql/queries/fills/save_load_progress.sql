-- Parameters: file_id, source, etag, content_sha, rows_rejected, first_block, last_block, first_ms,
-- last_ms.
INSERT INTO load_progress
    (file_id, source, etag, content_sha, rows_loaded, rows_rejected, loaded_at, first_block, last_block,
     first_ms, last_ms)
SELECT
    %(file_id)s,
    %(source)s,
    %(etag)s,
    %(content_sha)s,
    coalesce(sum(p.row_count), 0),
    %(rows_rejected)s,
    now(),
    %(first_block)s,
    %(last_block)s,
    %(first_ms)s,
    %(last_ms)s
FROM day_parts AS p
WHERE p.file_id = %(file_id)s
  AND p.source = %(source)s
ON CONFLICT (file_id, source) DO UPDATE
SET etag = excluded.etag,
    content_sha = excluded.content_sha,
    rows_loaded = excluded.rows_loaded,
    rows_rejected = excluded.rows_rejected,
    loaded_at = excluded.loaded_at,
    first_block = excluded.first_block,
    last_block = excluded.last_block,
    first_ms = excluded.first_ms,
    last_ms = excluded.last_ms
