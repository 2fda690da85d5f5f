DELETE FROM api_sessions WHERE session_sha256 = %(session_sha256)s
