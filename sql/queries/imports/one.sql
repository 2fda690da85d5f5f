-- Parameters: import_id.
SELECT import_id, kind, file_name, imported_at, imported_by, rows, rejected
FROM imports
WHERE import_id = %(import_id)s
