-- The drawdowns of an equity index, one row each: the last day at the peak, the first below it, the
-- first at the lowest value, the first at or above the peak again (NULL while it is open), and the
-- depth, a fraction below 0.
CREATE OR REPLACE FUNCTION drawdown_episodes(dates date[], nav double precision[])
RETURNS TABLE (
    peak_date date, start_date date, trough_date date, recovery_date date, depth double precision
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        p.peak_date,
        p.start_date,
        p.trough_date,
        p.recovery_date,
        p.depth
    FROM (
        SELECT
            min(c.day)                                              AS peak_date,
            min(c.day) FILTER (WHERE c.drawdown < 0)                AS start_date,
            (array_agg(c.day ORDER BY c.drawdown, c.day))[1]        AS trough_date,
            lead(min(c.day)) OVER (ORDER BY c.peak_number)          AS recovery_date,
            min(c.drawdown)                                         AS depth
        FROM public.drawdown_curve(dates, nav) AS c
        GROUP BY c.peak_number
    ) AS p
    WHERE p.depth < 0
    ORDER BY p.peak_date
$$;
