-- Effective leverage over snapshots of one account; one row. An account value is NULL where the
-- account's mode leaves its equity unknown. gross_values: what its positions are worth, absolute
-- values added; 0 when flat. weights: the time each snapshot stands for; equal where not given.
-- Snapshots with positions but no positive equity are skipped, and counted.
CREATE OR REPLACE FUNCTION leverage_metrics(
    account_values numeric[], gross_values numeric[], weights double precision[] DEFAULT NULL
)
RETURNS TABLE (
    exposed_snapshots bigint,
    skipped_snapshots bigint,
    avg_leverage double precision,
    avg_leverage_reason text,
    avg_leverage_unconditional double precision,
    avg_leverage_unconditional_reason text,
    max_leverage double precision,
    max_leverage_reason text,
    leverage_frequency jsonb,
    leverage_frequency_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH snapshots AS (
        SELECT
            s.gross > 0                                 AS has_positions,
            (s.gross / s.equity)::double precision      AS leverage,
            coalesce(s.weight, 1)                       AS weight
        FROM (
            SELECT
                u.gross,
                CASE WHEN u.equity > 0 THEN u.equity END AS equity,
                u.weight
            FROM unnest(account_values, gross_values, weights) AS u (equity, gross, weight)
        ) AS s
    ), totals AS (
        SELECT
            count(s.leverage) FILTER (WHERE s.has_positions)                        AS exposed,
            count(*) FILTER (WHERE s.has_positions AND s.leverage IS NULL)          AS skipped,
            sum(s.leverage * s.weight)                                              AS weighted,
            sum(s.weight) FILTER (WHERE s.has_positions AND s.leverage IS NOT NULL) AS weight,
            sum(s.weight) FILTER (WHERE s.leverage IS NOT NULL)                     AS weight_all,
            max(s.leverage) FILTER (WHERE s.has_positions)                          AS highest
        FROM snapshots AS s
    ), buckets AS (
        SELECT
            b.bucket,
            count(s.leverage) AS snapshots
        FROM public.leverage_buckets() AS b
        LEFT JOIN snapshots AS s
            ON s.has_positions
           AND s.leverage >= b.low
           AND s.leverage < b.high
        GROUP BY b.bucket
    )
    SELECT
        t.exposed,
        t.skipped,
        t.weighted / nullif(t.weight, 0),
        CASE WHEN t.exposed = 0 THEN 'no_data' END,
        t.weighted / nullif(t.weight_all, 0),
        CASE WHEN t.weight_all IS NULL THEN 'no_data' END,
        t.highest,
        CASE WHEN t.exposed = 0 THEN 'no_data' END,
        (
            SELECT jsonb_object_agg(b.bucket, b.snapshots::double precision / t.exposed)
            FROM buckets AS b
            WHERE t.exposed > 0
        ),
        CASE WHEN t.exposed = 0 THEN 'no_data' END
    FROM totals AS t
$$;
