-- time_bucket for integer time: start of the bucket of `width` that holds `ts`.
-- In a schema of its own: TimescaleDB brings a function of this name, which must win there.
CREATE SCHEMA compat;
CREATE FUNCTION compat.time_bucket(width bigint, ts bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$ SELECT ts - ((ts % width) + width) % width $$;
