UPDATE api_keys SET last_used_at = clock_ms() WHERE key_id = %(key_id)s
