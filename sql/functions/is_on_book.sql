-- Whether a fill of this direction met an order: deleveraging, settlements and takeovers of a
-- liquidated position are transfers, and make no price.
CREATE OR REPLACE FUNCTION is_on_book(dir text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(
        dir NOT IN ('Auto-Deleveraging', 'Settlement', 'Net Child Vaults')
        AND dir NOT LIKE 'Liquidated %',
        true
    )
$$;
