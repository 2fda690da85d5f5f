-- An object that no longer gives a row to any day. Parameters: file_id, source.
DELETE FROM load_progress AS l
WHERE l.file_id = %(file_id)s
  AND l.source = %(source)s
  AND NOT EXISTS (
      SELECT FROM day_parts AS p WHERE p.file_id = l.file_id AND p.source = l.source
  )
