-- Lines of source objects that were not taken, the newest objects first.
SELECT file_id, source, line_number, byte_offset, reason, left(raw, 200) AS raw
FROM quarantined_lines
ORDER BY file_id DESC, line_number
LIMIT %(limit)s
