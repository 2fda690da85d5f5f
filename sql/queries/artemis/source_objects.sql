-- Objects that brought the fills of some days. Literals: start, end.
SELECT DISTINCT l.file_id, l.source, l.etag, l.content_sha
FROM day_parts AS p
JOIN load_progress AS l USING (file_id, source)
WHERE p.day >= {start} AND p.day < {end}
ORDER BY l.file_id, l.source
