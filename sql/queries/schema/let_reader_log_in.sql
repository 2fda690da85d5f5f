-- Give vigil_reader a password, on the embedded server. Filled in: password.
DO $log_in$
BEGIN
    IF NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = 'vigil_reader') THEN
        ALTER ROLE vigil_reader LOGIN PASSWORD {password};
    END IF;
END
$log_in$
