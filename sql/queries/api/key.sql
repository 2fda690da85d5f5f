-- Whose key it is; no row: no good.
SELECT label, scopes, is_used FROM api_key_owner(%(key_id)s, %(secret_sha256)s)
