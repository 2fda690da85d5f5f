SELECT end_api_session(%(session_sha256)s)
