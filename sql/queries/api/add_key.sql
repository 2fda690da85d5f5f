INSERT INTO api_keys (key_id, secret_sha256, label, scopes, created_at, expires_at)
VALUES (%(key_id)s, %(secret_sha256)s, %(label)s, %(scopes)s, clock_ms(), clock_ms() + %(valid_ms)s::bigint)
