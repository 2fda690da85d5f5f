-- Give a database the rights and the settings of another one; nothing where that one is not there.
-- Neither is in a dump. Literals: source, target.
DO $copy$
DECLARE
    found record;
BEGIN
    IF EXISTS (SELECT FROM pg_database WHERE datname = {source} AND datacl IS NOT NULL) THEN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', {target});
    END IF;
    FOR found IN
        SELECT
            g.privilege_type AS privilege,
            CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS grantee
        FROM pg_database AS d, aclexplode(d.datacl) AS g
        WHERE d.datname = {source} AND g.grantee <> d.datdba
    LOOP
        EXECUTE format('GRANT %s ON DATABASE %I TO %s', found.privilege, {target}, found.grantee);
    END LOOP;
    FOR found IN
        SELECT split_part(c.setting, '=', 1) AS name, substr(c.setting, strpos(c.setting, '=') + 1) AS value
        FROM pg_database AS d
        JOIN pg_db_role_setting AS s ON s.setdatabase = d.oid AND s.setrole = 0
        CROSS JOIN unnest(s.setconfig) AS c (setting)
        WHERE d.datname = {source}
    LOOP
        EXECUTE format('ALTER DATABASE %I SET %I = %L', {target}, found.name, found.value);
    END LOOP;
END
$copy$
