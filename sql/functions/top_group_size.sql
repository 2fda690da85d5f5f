-- How many of so many are the top group: the fraction, rounded half up, and one at least.
CREATE OR REPLACE FUNCTION top_group_size(n bigint, top_fraction double precision)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT greatest(floor(n * top_fraction + 0.5)::bigint, 1) $$;
