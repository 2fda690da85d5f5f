-- Parameters: started_at, finished_at (ms), desk_only, bytes.
INSERT INTO backups (started_at, finished_at, desk_only, bytes)
VALUES (%(started_at)s, %(finished_at)s, %(desk_only)s, %(bytes)s)
