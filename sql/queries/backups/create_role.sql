-- A role that the rows of a backup are granted to, unless it is there; it may not log in. Whoever
-- makes it, other than a superuser, has to be a member of it. Literals: name.
DO $create$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION', {name});
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', {name});
        END IF;
    END IF;
END
$create$
