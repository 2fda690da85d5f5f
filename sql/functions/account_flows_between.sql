-- What an account's core clearing house was given less what was taken out over [start, before)
-- (ms), USD. NULL where the stretch was not asked for, or one of its updates does not tell.
CREATE OR REPLACE FUNCTION account_flows_between(of_address text, start bigint, before bigint)
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN count(f.time) = count(f.usd) THEN coalesce(sum(f.usd), 0) END
    FROM (SELECT WHERE is_account_covered(of_address, 'ledger', start, before)) AS c
    LEFT JOIN account_flows AS f
        ON f.user_address = of_address AND f.time >= start AND f.time < before
    HAVING count(*) > 0
$$;
