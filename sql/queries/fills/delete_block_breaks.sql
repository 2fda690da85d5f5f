-- Parameters: file_id, source.
DELETE FROM block_breaks WHERE file_id = %(file_id)s AND source = %(source)s
