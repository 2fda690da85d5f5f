-- A fee, or a part of one, in USD; NULL where its token has no price here.
-- A dollar stablecoin counts 1; a spot buy pays in the token bought, which was worth px.
-- A rebate in the token given away is neither, and stays unpriced.
-- Schemas are named: TimescaleDB refreshes its aggregates with none on the search path.
CREATE OR REPLACE FUNCTION fee_usd(amount numeric, token text, coin text, side text, px numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN amount = 0 THEN 0
        WHEN public.is_usd_stablecoin(token) THEN amount
        WHEN amount > 0 AND side = 'B' AND public.is_spot(coin) THEN amount * px
    END
$$;
