-- What one dollar became: 1 before the first day, then times 1 + r, so one element more than there
-- are returns. Below -1 a return counts as -1, and what is lost stays lost. NULL from a day without
-- a return on, and where growth beyond any account says that the capital base was nil.
CREATE OR REPLACE FUNCTION equity_index(returns double precision[]) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    -- Far inside what a double holds: the server refuses a product that overflows or underflows.
    too_much CONSTANT double precision := 1e100;
    nav double precision := 1;
    index double precision[] := '{1}';
    day_return double precision;
BEGIN
    FOREACH day_return IN ARRAY coalesce(returns, '{}') LOOP
        nav := nav * CASE WHEN day_return < too_much THEN 1 + day_return END;
        IF nav > too_much THEN
            nav := NULL;
        ELSIF nav < 1 / too_much THEN
            nav := 0;
        END IF;
        index := index || nav;
    END LOOP;
    RETURN index;
END
$$;
