-- Why a fill may stand without another side: what it is, where it is no ordinary trade; NULL of
-- an ordinary one. A complete set of outcome tokens has a fill per coin, each with its own tid.
CREATE OR REPLACE FUNCTION one_sided_kind(coin text, dir text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN coin LIKE '#%' THEN 'outcome'
        WHEN dir = 'Spot Dust Conversion' THEN 'dust'
        WHEN dir = 'Auto-Deleveraging' THEN 'deleveraging'
        WHEN dir = 'Settlement' THEN 'settlement'
        WHEN dir LIKE 'Liquidated %' THEN 'backstop'
        WHEN dir = 'Net Child Vaults' THEN 'netting'
        WHEN dir LIKE '% Borrow Liquidation' THEN 'borrow'
    END
$$;
