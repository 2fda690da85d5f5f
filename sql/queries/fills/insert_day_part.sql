-- Parameters: day, file_id, source, row_count, sha256.
INSERT INTO day_parts (day, file_id, source, row_count, sha256)
VALUES (%(day)s, %(file_id)s, %(source)s, %(row_count)s, %(sha256)s)
