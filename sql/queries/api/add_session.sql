-- Those that have ended are forgotten with it.
WITH ended AS (DELETE FROM api_sessions WHERE expires_at < clock_ms())
INSERT INTO api_sessions (session_sha256, key_id, created_at, expires_at)
VALUES (%(session_sha256)s, %(key_id)s, clock_ms(), clock_ms() + %(valid_ms)s)
