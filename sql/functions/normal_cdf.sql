-- Probability that a standard normal variable is at most x. By erfc, which keeps the lower tail; 0
-- below -37.5, where erfc raises an error rather than give less than the least double.
CREATE OR REPLACE FUNCTION normal_cdf(x double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN x < -37.5 THEN 0 ELSE erfc(-x / sqrt(2::double precision)) / 2 END $$;
