-- The mark at which a position is liquidated, where the source does not say; one row. margin_equity
-- is the account value (cross) or the isolated margin with unrealized PnL; signed_size is negative
-- for a short. For cross margin all other marks are taken to stand still.
CREATE OR REPLACE FUNCTION liquidation_price(
    mark_price numeric, signed_size numeric, margin_equity numeric, asset_max_leverage numeric
)
RETURNS TABLE (liquidation_price numeric, liquidation_price_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        CASE WHEN p.price > 0 THEN p.price END,
        CASE
            WHEN signed_size = 0 THEN 'not_applicable'
            WHEN p.price IS NULL THEN 'no_data'
            WHEN p.price <= 0 THEN 'not_reachable'
        END
    FROM (
        SELECT
            mark_price
            - (margin_equity - abs(signed_size) * mark_price * m.rate)
            -- The side stands in the sign of the size.
            / nullif(signed_size * (1 - m.rate * sign(signed_size)), 0) AS price
        FROM (SELECT 1 / (2 * nullif(asset_max_leverage, 0)) AS rate) AS m
    ) AS p
$$;
