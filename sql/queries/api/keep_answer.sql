UPDATE idempotency_keys
SET status = %(status)s, headers = %(headers)s, answer = %(answer)s
WHERE caller = %(caller)s AND route = %(route)s AND key = %(key)s
