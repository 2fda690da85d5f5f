-- Whether an account's perp value was its equity up to `before` (ms): what was seen of its mode last
-- before and first after says so. NULL where it was never asked. In unified and portfolio-margin
-- accounts the money lies in spot.
CREATE OR REPLACE FUNCTION keeps_perps_apart(of_address text, before bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT bool_and(m.mode IN ('default', 'disabled'))
    FROM (
        (
            SELECT a.mode
            FROM account_modes AS a
            WHERE a.user_address = of_address AND a.observed_at <= before
            ORDER BY a.observed_at DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT a.mode
            FROM account_modes AS a
            WHERE a.user_address = of_address AND a.observed_at > before
            ORDER BY a.observed_at
            LIMIT 1
        )
    ) AS m
$$;
