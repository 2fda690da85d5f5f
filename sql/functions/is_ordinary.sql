-- Whether a perp fill's direction is an order's doing: an opening, a close, or a flip.
CREATE OR REPLACE FUNCTION is_ordinary(dir text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT dir IN (
        'Open Long', 'Open Short', 'Close Long', 'Close Short', 'Long > Short', 'Short > Long'
    )
$$;
