-- Parameters: file_id, source, etag, content_sha, rows_rejected.
INSERT INTO load_progress
    (file_id, source, etag, content_sha, rows_loaded, rows_rejected, loaded_at)
SELECT
    %(file_id)s,
    %(source)s,
    %(etag)s,
    %(content_sha)s,
    coalesce(sum(p.row_count), 0),
    %(rows_rejected)s,
    now()
FROM day_parts AS p
WHERE p.file_id = %(file_id)s
ON CONFLICT (file_id) DO UPDATE
SET source = excluded.source,
    etag = excluded.etag,
    content_sha = excluded.content_sha,
    rows_loaded = excluded.rows_loaded,
    rows_rejected = excluded.rows_rejected,
    loaded_at = excluded.loaded_at
