-- What the warehouse says of the objects that gave rows to a day. Parameters: day.
SELECT p.file_id, p.source, p.row_count, p.sha256, l.etag, l.content_sha
FROM day_parts AS p
LEFT JOIN load_progress AS l ON l.file_id = p.file_id AND l.source = p.source
WHERE p.day = %(day)s
ORDER BY p.file_id, p.source
