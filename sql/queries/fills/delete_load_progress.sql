-- Objects that no longer give a row to any day. Parameters: file_ids.
DELETE FROM load_progress AS l
WHERE l.file_id = ANY(%(file_ids)s)
  AND NOT EXISTS (SELECT FROM day_parts AS p WHERE p.file_id = l.file_id)
