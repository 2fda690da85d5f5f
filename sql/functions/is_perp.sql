-- Everything but spot pairs and outcome tokens (#1890).
CREATE OR REPLACE FUNCTION is_perp(coin text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT NOT public.is_spot(coin) AND coin NOT LIKE '#%' $$;
