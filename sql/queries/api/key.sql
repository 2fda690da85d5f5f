-- A key that is neither revoked nor expired; `is_used` says whether the last minute knows of it.
SELECT secret_sha256, label, scopes, last_used_at > clock_ms() - 60000 AS is_used
FROM api_keys
WHERE key_id = %(key_id)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_ms())
