-- Value at x of the polynomial with these coefficients, the highest power's first (Horner).
CREATE OR REPLACE FUNCTION polynomial(x double precision, coefficients double precision[])
RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    value double precision := 0;
    coefficient double precision;
BEGIN
    FOREACH coefficient IN ARRAY coefficients LOOP
        value := value * x + coefficient;
    END LOOP;
    RETURN value;
END
$$;
