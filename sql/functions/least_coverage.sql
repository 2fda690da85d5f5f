-- The share of a window's days that must be complete for its daily series to stand for it.
CREATE OR REPLACE FUNCTION least_coverage() RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 0.98::double precision $$;
