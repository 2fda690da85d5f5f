-- What was won for each dollar lost; one row. Both sums are net of fees, over closed trades; the
-- loss may be given with either sign. Sums over no trades are NULL.
CREATE OR REPLACE FUNCTION profit_factor(gross_profit_usd numeric, gross_loss_usd numeric)
RETURNS TABLE (profit_factor double precision, profit_factor_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        (gross_profit_usd / nullif(abs(gross_loss_usd), 0))::double precision,
        CASE
            WHEN gross_profit_usd IS NULL OR gross_loss_usd IS NULL THEN 'no_data'
            WHEN gross_loss_usd = 0 THEN 'no_losses'
        END
$$;
