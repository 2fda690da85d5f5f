-- The classes of stated confidence, closed on the left and open on the right; 1 is in the last.
CREATE OR REPLACE FUNCTION confidence_bins()
RETURNS TABLE (bin text, low double precision, high double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    VALUES
        ('<60%', '-infinity'::double precision, 0.6),
        ('60-70%', 0.6, 0.7),
        ('70-80%', 0.7, 0.8),
        ('80-90%', 0.8, 0.9),
        ('90-100%', 0.9, 'infinity'::double precision)
$$;
