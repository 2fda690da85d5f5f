-- Files that people brought, newest first. Parameters: limit.
SELECT import_id, kind, file_name, imported_at, imported_by, rows, rejected
FROM imports
ORDER BY import_id DESC
LIMIT %(limit)s
