-- The key of a session that has not ended, as long as the key itself is good. As `api_key_owner`.
CREATE OR REPLACE FUNCTION api_session_owner(wanted_sha256 text)
RETURNS TABLE (key_id text, label text, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.key_id, k.label, k.scopes
    FROM api_sessions AS s
    JOIN api_keys AS k USING (key_id)
    WHERE s.session_sha256 = wanted_sha256 AND s.expires_at > clock_ms()
        AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_ms())
$$;
