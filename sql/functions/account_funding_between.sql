-- What an account received less what it paid in funding over [start, before) (ms), USD; of all its
-- perps, or of the core clearing house's alone. NULL where the stretch was not asked for, or a row
-- that the exchange has summed by the day lies across one of its ends.
CREATE OR REPLACE FUNCTION account_funding_between(
    of_address text, start bigint, before bigint, core_only boolean
) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN coalesce(bool_and(f.time >= start AND f.until <= before), true)
        THEN coalesce(sum(f.usdc) FILTER (WHERE NOT core_only OR strpos(f.coin, ':') = 0), 0)
    END
    FROM (SELECT WHERE is_account_covered(of_address, 'funding', start, before)) AS c
    LEFT JOIN account_funding AS f
        ON f.user_address = of_address
       -- No row is longer than a day.
       AND f.time >= start - 86400000
       AND f.time < before
       AND f.until > start
    HAVING count(*) > 0
$$;
