-- The classes of leverage, half-open.
CREATE OR REPLACE FUNCTION leverage_buckets()
RETURNS TABLE (bucket text, low double precision, high double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    VALUES
        ('lt1x', 0, 1),
        ('1x-3x', 1, 3),
        ('3x-5x', 3, 5),
        ('5x-10x', 5, 10),
        ('10x+', 10, 'infinity'::double precision)
$$;
