-- Let vigil_reader read all of public, and what the present user will make there. Only what is
-- lacking is granted: each grant writes to the catalog.
DO $grant$
DECLARE
    lacking text;
BEGIN
    FOR lacking IN
        SELECT nspname FROM pg_namespace
        WHERE nspname IN ('public', 'fill_days', 'compat')
          AND NOT has_schema_privilege('vigil_reader', oid, 'USAGE')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO vigil_reader', lacking);
    END LOOP;
    FOR lacking IN
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
          AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND NOT has_table_privilege('vigil_reader', oid, 'SELECT')
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO vigil_reader', lacking);
    END LOOP;
    IF NOT EXISTS (
        SELECT FROM pg_default_acl, aclexplode(defaclacl) AS granted
        WHERE defaclrole = current_user::regrole
          AND defaclnamespace = 'public'::regnamespace
          AND defaclobjtype = 'r'
          AND granted.grantee = 'vigil_reader'::regrole
          AND granted.privilege_type = 'SELECT'
    ) THEN
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO vigil_reader;
    END IF;
END
$grant$
