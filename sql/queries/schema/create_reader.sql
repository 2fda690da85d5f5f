-- The role that db-query reads as, unless it is there. Run in one transaction with grant_reader,
-- which several processes may want at once: they take turns.
DO $create$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('vigil_reader'));
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vigil_reader') THEN
        CREATE ROLE vigil_reader NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
        -- A superuser may become anyone; any other maker of a role must be a member of it.
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            GRANT vigil_reader TO CURRENT_USER;
        END IF;
    END IF;
END
$create$
