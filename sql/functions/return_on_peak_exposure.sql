-- What fills alone say of a return: PnL of a window on the largest gross exposure inside it; one
-- row. The base is constant, so returns add up. It understates what was made on own money.
CREATE OR REPLACE FUNCTION return_on_peak_exposure(pnl_usd numeric, peak_gross_exposure_usd numeric)
RETURNS TABLE (capital_basis text, roi double precision, roi_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        CASE WHEN peak_gross_exposure_usd > 0 THEN 'peak_exposure' ELSE 'none' END,
        CASE
            WHEN peak_gross_exposure_usd > 0
            THEN (pnl_usd / peak_gross_exposure_usd)::double precision
        END,
        CASE
            WHEN peak_gross_exposure_usd > 0 AND pnl_usd IS NULL THEN 'no_data'
            WHEN peak_gross_exposure_usd > 0 THEN NULL
            ELSE 'no_capital_base'
        END
$$;
