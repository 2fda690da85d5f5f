-- Parameters: file_id, source.
DELETE FROM quarantined_lines WHERE file_id = %(file_id)s AND source = %(source)s
