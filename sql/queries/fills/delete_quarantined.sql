-- Parameters: file_id.
DELETE FROM quarantined_lines WHERE file_id = %(file_id)s
