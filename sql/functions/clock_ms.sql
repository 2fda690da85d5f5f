-- The clock of the database: ms since the epoch, UTC; the same for a whole transaction.
CREATE OR REPLACE FUNCTION clock_ms() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT floor(extract(epoch FROM now()) * 1000)::bigint $$;
