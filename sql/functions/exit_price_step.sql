-- What a unit that is held fetches, if `share` of it goes at `price` and the rest fetches `later`.
CREATE OR REPLACE FUNCTION exit_price_step(later double precision, share double precision, price double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE share WHEN 0 THEN later WHEN 1 THEN price ELSE share * price + (1 - share) * later END
$$;
