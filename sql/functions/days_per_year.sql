-- Days that a year of returns has: the market never closes.
CREATE OR REPLACE FUNCTION days_per_year() RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 365::double precision $$;
