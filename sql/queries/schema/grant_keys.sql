-- Whether a secret is right, and sessions: by functions that see what the roles do not. Nobody else
-- may call them.
DO $grant$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT p.oid::regprocedure AS name, wanted.role
        FROM (VALUES
            ('api_key_owner', 'vigil_reader'),
            ('api_key_owner', 'vigil_api'),
            ('api_session_owner', 'vigil_reader'),
            ('api_session_owner', 'vigil_api'),
            ('begin_api_session', 'vigil_api'),
            ('end_api_session', 'vigil_api')
        ) AS wanted (function, role)
        JOIN pg_proc AS p ON p.proname = wanted.function AND p.pronamespace = 'public'::regnamespace
        WHERE p.proacl IS NULL OR NOT EXISTS (
            SELECT FROM aclexplode(p.proacl) AS granted WHERE granted.grantee = wanted.role::regrole
        )
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', found.name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', found.name, found.role);
    END LOOP;
END
$grant$
