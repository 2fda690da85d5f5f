-- Give a role a password, on the embedded server. Filled in: role, name, password.
DO $log_in$
BEGIN
    IF NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = {role}) THEN
        ALTER ROLE {name} LOGIN PASSWORD {password};
    END IF;
END
$log_in$
