-- Parameters: file_id, source, line_number, byte_offset, reason, raw.
INSERT INTO quarantined_lines (file_id, source, line_number, byte_offset, reason, raw)
VALUES (%(file_id)s, %(source)s, %(line_number)s, %(byte_offset)s, %(reason)s, %(raw)s)
