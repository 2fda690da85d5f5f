-- How deep, how often and how long an equity index lay below its peak; one row. The first element
-- is the baseline, the start of the first day; n_days counts the others. Times are in days.
-- material: the depth, a fraction above 0, from which an episode counts as material.
-- What has no reason of its own is NULL for max_drawdown_reason.
CREATE OR REPLACE FUNCTION drawdown_metrics(
    dates date[], nav double precision[], material double precision DEFAULT 0.01
)
RETURNS TABLE (
    n_days bigint,
    max_drawdown double precision,
    max_drawdown_reason text,
    avg_drawdown double precision,
    avg_drawdown_reason text,
    pain_index double precision,
    ulcer_index double precision,
    drawdown_count bigint,
    drawdown_count_material bigint,
    underwater_pct double precision,
    drawdown_frequency double precision,
    avg_recovery_time double precision,
    avg_recovery_time_reason text,
    avg_drawdown_duration double precision,
    avg_drawdown_duration_reason text,
    longest_drawdown integer,
    current_drawdown double precision,
    open_drawdown boolean
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH series AS (
        SELECT
            greatest(cardinality(nav) - 1, 0)::bigint AS n,
            CASE
                WHEN coalesce(cardinality(nav), 0) < 2 THEN 'no_data'
                WHEN array_position(nav, NULL) IS NOT NULL OR nav[1] <= 0 THEN 'non_positive_equity'
            END AS reason
    ), days AS (
        SELECT
            min(c.drawdown)                                     AS deepest,
            sum(-c.drawdown)                                    AS pain,
            sum(c.drawdown * c.drawdown)                        AS squares,
            count(*) FILTER (WHERE c.drawdown < 0)              AS underwater,
            max(c.day)                                          AS last_day,
            (array_agg(c.drawdown ORDER BY c.day DESC))[1]      AS last
        FROM series AS s
        CROSS JOIN LATERAL public.drawdown_curve(dates, nav) AS c
        WHERE s.reason IS NULL
    ), episodes AS (
        SELECT
            count(*)                                                    AS episodes,
            count(*) FILTER (WHERE e.depth <= -material)                AS material,
            count(e.recovery_date)                                      AS recovered,
            avg(e.depth)                                                AS depth,
            avg(e.recovery_date - e.trough_date)::double precision      AS recovery,
            avg(e.recovery_date - e.peak_date)::double precision        AS duration,
            max(coalesce(e.recovery_date, d.last_day) - e.peak_date)    AS longest
        FROM series AS s
        CROSS JOIN days AS d
        CROSS JOIN LATERAL public.drawdown_episodes(dates, nav) AS e
        WHERE s.reason IS NULL
    )
    SELECT
        s.n,
        d.deepest,
        s.reason,
        e.depth,
        CASE WHEN e.episodes = 0 THEN coalesce(s.reason, 'no_drawdown') END,
        d.pain / nullif(s.n, 0),
        sqrt(d.squares / nullif(s.n, 0)),
        CASE WHEN s.reason IS NULL THEN e.episodes END,
        CASE WHEN s.reason IS NULL THEN e.material END,
        d.underwater::double precision / nullif(CASE WHEN s.reason IS NULL THEN s.n END, 0),
        (d.underwater + e.recovered)::double precision
            / nullif(CASE WHEN s.reason IS NULL THEN s.n END, 0),
        e.recovery,
        CASE WHEN e.recovered = 0 THEN coalesce(s.reason, 'no_recovered_drawdown') END,
        e.duration,
        CASE WHEN e.recovered = 0 THEN coalesce(s.reason, 'no_recovered_drawdown') END,
        CASE WHEN s.reason IS NULL THEN coalesce(e.longest, 0) END,
        d.last,
        CASE WHEN s.reason IS NULL THEN d.last < 0 END
    FROM series AS s
    CROSS JOIN days AS d
    CROSS JOIN episodes AS e
$$;
