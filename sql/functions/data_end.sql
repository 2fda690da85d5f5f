-- End of the data known, ms: that of the last UTC day loaded; 0 before the first. Whoever decides
-- something about a trader knows nothing after it.
CREATE OR REPLACE FUNCTION data_end() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(max(day) + 86400000, 0) FROM day_state
$$;
