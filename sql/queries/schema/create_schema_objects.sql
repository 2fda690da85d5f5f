-- What is installed: migrations (kind 'migration'), and the objects of manifest.txt.
CREATE TABLE IF NOT EXISTS schema_objects (
    name       text PRIMARY KEY,
    kind       text NOT NULL,
    sha256     text NOT NULL,
    backend    text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
