-- Let a role read all of public, and what the present user will make there, but not the keys of
-- the API and the answers it keeps. Only what is lacking is granted: each grant writes to the
-- catalog. Filled in: role, name.
DO $grant$
DECLARE
    secret text[] := ARRAY['api_keys', 'api_sessions']
        || CASE {role} WHEN 'vigil_api' THEN '{{}}' ELSE '{{idempotency_keys}}' END::text[];
    found record;
BEGIN
    FOR found IN
        SELECT nspname FROM pg_namespace
        WHERE nspname IN ('public', 'fill_days', 'compat')
          AND NOT has_schema_privilege({role}, oid, 'USAGE')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', found.nspname, {role});
    END LOOP;
    FOR found IN
        SELECT oid::regclass AS name, relname = ANY(secret) AS is_secret FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
          AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND has_table_privilege({role}, oid, 'SELECT') = (relname = ANY(secret))
    LOOP
        IF found.is_secret THEN
            EXECUTE format('REVOKE SELECT ON %s FROM %I', found.name, {role});
        ELSE
            EXECUTE format('GRANT SELECT ON %s TO %I', found.name, {role});
        END IF;
    END LOOP;
    IF to_regclass('api_keys') IS NOT NULL
        AND NOT has_column_privilege({role}, 'api_keys', 'label', 'SELECT')
    THEN
        GRANT SELECT (key_id, label, scopes, created_at, expires_at, revoked_at, last_used_at)
            ON api_keys TO {name};
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_default_acl, aclexplode(defaclacl) AS granted
        WHERE defaclrole = current_user::regrole
          AND defaclnamespace = 'public'::regnamespace
          AND defaclobjtype = 'r'
          AND granted.grantee = {role}::regrole
          AND granted.privilege_type = 'SELECT'
    ) THEN
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {name};
    END IF;
END
$grant$
