SELECT key_id, label, scopes FROM api_session_owner(%(session_sha256)s)
