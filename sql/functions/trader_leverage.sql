-- How much of one account's equity was at work, over a window that ends before `before` (ms, a
-- midnight): from its balances snapshots, one a day. One row. A record that was known by then to be a
-- fault of the source is left out.
CREATE OR REPLACE FUNCTION trader_leverage(of_address text, before bigint, window_days bigint DEFAULT NULL)
RETURNS TABLE (
    snapshots bigint, sampling_interval_hours double precision, exposed_snapshots bigint,
    skipped_snapshots bigint, avg_leverage double precision, avg_leverage_reason text,
    avg_leverage_unconditional double precision, avg_leverage_unconditional_reason text,
    max_leverage double precision, max_leverage_reason text, leverage_frequency jsonb,
    leverage_frequency_reason text
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH seen AS (
        SELECT
            count(*)                                                        AS snapshots,
            (max(e.recorded_at) - min(e.recorded_at)) / 3600000.0 / nullif(count(*) - 1, 0) AS hours,
            coalesce(array_agg(e.account_value ORDER BY e.recorded_at), '{}') AS account_values,
            coalesce(array_agg(e.total_ntl_pos ORDER BY e.recorded_at), '{}') AS gross_values
        FROM account_equity AS e
        WHERE e.address = of_address
          AND e.recorded_at < before
          AND (window_days IS NULL OR e.recorded_at >= before - window_days * 86400000)
          AND (e.collapse_known_at IS NULL OR e.collapse_known_at >= before)
    )
    SELECT s.snapshots, s.hours::double precision, m.*
    FROM seen AS s
    CROSS JOIN LATERAL leverage_metrics(s.account_values, s.gross_values) AS m
$$;
