-- Spot pairs are named @107, or BASE/QUOTE.
CREATE OR REPLACE FUNCTION is_spot(coin text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT coin LIKE '@%' OR coin LIKE '%/%' $$;
