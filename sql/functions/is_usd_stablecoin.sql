-- Tokens that count as one USD. The builder perps' collaterals are among them.
CREATE OR REPLACE FUNCTION is_usd_stablecoin(token text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT token IN (
        'USDC', 'USDT', 'USDT0', 'USDH', 'USDE', 'USDXL', 'FEUSD', 'USDHL', 'USR'
    )
$$;
