SELECT begin_api_session(%(session_sha256)s, %(key_id)s, %(valid_ms)s)
