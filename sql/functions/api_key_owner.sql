-- Whose key it is, given the digest of its secret; no row: it is unknown, wrong, revoked or expired.
-- `is_used` says whether the last minute knows of it. As the owner of the schema, since callers may
-- not read digests; of equal length and unknown to whoever guesses, they may be compared plainly.
CREATE OR REPLACE FUNCTION api_key_owner(wanted_id text, wanted_sha256 text)
RETURNS TABLE (label text, scopes text[], is_used boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.label, k.scopes, coalesce(k.last_used_at > clock_ms() - 60000, false)
    FROM api_keys AS k
    WHERE k.key_id = wanted_id AND k.secret_sha256 = wanted_sha256
        AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_ms())
$$;
