-- Growth over so many days as if it went on for a year: a fraction. All lost is -1. NULL where so
-- few days grew so much that a year of it is no number.
CREATE OR REPLACE FUNCTION cagr(growth double precision, day_count bigint) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    -- The server refuses a power that overflows or underflows; exp(709) is the largest.
    largest CONSTANT double precision := 700;
    log_growth double precision;
BEGIN
    IF growth <= 0 THEN
        RETURN -1;
    END IF;
    log_growth := ln(growth) * public.days_per_year() / nullif(day_count, 0);
    RETURN CASE
        WHEN log_growth < -largest THEN -1
        WHEN log_growth <= largest
        THEN power(growth, public.days_per_year() / day_count) - 1
    END;
END
$$;
