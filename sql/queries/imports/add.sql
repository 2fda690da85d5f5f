-- Parameters: kind, file_name, sha256, imported_by, rows, rejected. No row: that file was imported before.
INSERT INTO imports (kind, file_name, sha256, imported_at, imported_by, rows, rejected)
VALUES (
    %(kind)s, %(file_name)s, %(sha256)s, (extract(epoch FROM now()) * 1000)::bigint,
    %(imported_by)s, %(rows)s, %(rejected)s::jsonb
)
ON CONFLICT (kind, sha256) DO NOTHING
RETURNING import_id
