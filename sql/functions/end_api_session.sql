-- As `api_key_owner`.
CREATE OR REPLACE FUNCTION end_api_session(ended_sha256 text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$ DELETE FROM api_sessions WHERE session_sha256 = ended_sha256 $$;
