-- An account from one day's balances snapshot to the next one's, for each UTC day of [start, before)
-- (ms, midnights) that has both: `day` is that of the later one, as in account_reconciliation. A flow
-- counts for the rest of its period. Of a day the last snapshot stands; what was known by `before`
-- to be a fault of the source is none.
CREATE OR REPLACE FUNCTION equity_periods(of_address text, start bigint, before bigint)
RETURNS TABLE (
    day bigint, start_at bigint, end_at bigint, equity_start_usd numeric, equity_end_usd numeric,
    flows_usd numeric[], flow_fractions numeric[]
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH snapshots AS (
        SELECT DISTINCT ON (e.recorded_at / 86400000)
            e.recorded_at / 86400000 * 86400000 AS day,
            e.recorded_at,
            e.account_value
        FROM account_equity AS e
        WHERE e.address = of_address
          AND e.recorded_at >= start - 86400000
          AND e.recorded_at < before
          AND e.account_value IS NOT NULL
          AND (e.collapse_known_at IS NULL OR e.collapse_known_at >= before)
        ORDER BY e.recorded_at / 86400000, e.recorded_at DESC
    ), ends AS (
        SELECT
            s.day,
            lag(s.day) OVER in_time           AS day_before,
            lag(s.recorded_at) OVER in_time   AS start_at,
            s.recorded_at                     AS end_at,
            lag(s.account_value) OVER in_time AS equity_start,
            s.account_value                   AS equity_end
        FROM snapshots AS s
        WINDOW in_time AS (ORDER BY s.day)
    )
    SELECT e.day, e.start_at, e.end_at, e.equity_start, e.equity_end, f.amounts, f.fractions
    FROM ends AS e
    CROSS JOIN LATERAL (
        SELECT
            coalesce(array_agg(a.usd ORDER BY a.time, a.hash, a.seq), '{}') AS amounts,
            coalesce(
                array_agg(
                    (a.time - e.start_at)::numeric / (e.end_at - e.start_at)
                    ORDER BY a.time, a.hash, a.seq
                ),
                '{}'
            )                                                               AS fractions
        FROM account_flows AS a
        WHERE a.user_address = of_address
          AND a.time >= e.start_at
          AND a.time < e.end_at
          AND a.usd <> 0
    ) AS f
    WHERE e.day_before = e.day - 86400000
$$;
