-- Parameters: day, built_from, row_count.
INSERT INTO label_state (day, built_from, row_count)
VALUES (%(day)s, %(built_from)s, %(row_count)s)
