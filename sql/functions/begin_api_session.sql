-- A session for a key; those that have ended are forgotten with it. As `api_key_owner`.
CREATE OR REPLACE FUNCTION begin_api_session(new_sha256 text, of_key text, valid_ms bigint)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM api_sessions WHERE expires_at < clock_ms();
    INSERT INTO api_sessions (session_sha256, key_id, created_at, expires_at)
    VALUES (new_sha256, of_key, clock_ms(), clock_ms() + valid_ms);
$$;
