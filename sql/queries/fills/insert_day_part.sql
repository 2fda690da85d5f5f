-- Parameters: day, file_id, row_count, sha256.
INSERT INTO day_parts (day, file_id, row_count, sha256)
VALUES (%(day)s, %(file_id)s, %(row_count)s, %(sha256)s)
