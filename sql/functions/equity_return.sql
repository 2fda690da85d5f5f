-- A day's PnL on the capital it was made with; one row. A loss beyond the capital counts as all of
-- it. Without positive capital there is no return.
CREATE OR REPLACE FUNCTION equity_return(pnl_usd numeric, capital_usd numeric)
RETURNS TABLE (daily_return double precision, daily_return_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        CASE
            WHEN pnl_usd IS NOT NULL AND capital_usd > 0
            THEN greatest(pnl_usd / capital_usd, -1)::double precision
        END,
        CASE
            WHEN pnl_usd IS NULL OR capital_usd IS NULL THEN 'no_data'
            WHEN capital_usd <= 0 THEN 'non_positive_equity'
        END
$$;
