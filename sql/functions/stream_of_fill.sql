-- Which stream brings a fill: slices of TWAP orders have one of their own.
CREATE OR REPLACE FUNCTION stream_of_fill(twap_id bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN twap_id IS NULL THEN 'fills' ELSE 'twap_fills' END $$;
