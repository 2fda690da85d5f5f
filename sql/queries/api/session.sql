-- The key of a session that has not ended, as long as the key itself is good.
SELECT k.key_id, k.label, k.scopes
FROM api_sessions AS s
JOIN api_keys AS k USING (key_id)
WHERE s.session_sha256 = %(session_sha256)s AND s.expires_at > clock_ms()
    AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_ms())
