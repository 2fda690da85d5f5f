SELECT body_sha256, status, headers, answer
FROM idempotency_keys
WHERE caller = %(caller)s AND route = %(route)s AND key = %(key)s
