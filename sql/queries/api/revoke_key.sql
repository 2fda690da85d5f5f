UPDATE api_keys SET revoked_at = clock_ms() WHERE key_id = %(key_id)s AND revoked_at IS NULL
