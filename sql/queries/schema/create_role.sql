-- A role of Vigil, unless it is there. Run in one transaction with what it is granted, which
-- several processes may want at once: they take turns. Filled in: role, name.
DO $create$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('vigil roles'));
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {role}) THEN
        CREATE ROLE {name} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
        -- A superuser may become anyone; any other maker of a role must be a member of it.
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            GRANT {name} TO CURRENT_USER;
        END IF;
    END IF;
EXCEPTION
    -- Roles are the server's: another database of it was being installed.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$create$
