-- Whether a fill of this direction met an order: deleveraging, settlements and takeovers of a
-- liquidated position are transfers, and make no price.
CREATE OR REPLACE FUNCTION is_on_book(dir text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(
        one_sided_kind('', dir) NOT IN ('deleveraging', 'settlement', 'backstop', 'netting'), true
    )
$$;
