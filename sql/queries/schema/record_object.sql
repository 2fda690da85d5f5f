-- Parameters: name, kind, sha256, backend.
INSERT INTO schema_objects (name, kind, sha256, backend)
VALUES (%(name)s, %(kind)s, %(sha256)s, %(backend)s)
ON CONFLICT (name) DO UPDATE
SET sha256 = excluded.sha256, backend = excluded.backend, applied_at = now()
