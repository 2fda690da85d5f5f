-- How far an equity index lies below its peak on each of its dates, the baseline's among them: a
-- fraction, 0 at the peak. Dates with one peak_number belong together: the last day at the peak,
-- and all that lie below it until the next.
CREATE OR REPLACE FUNCTION drawdown_curve(dates date[], nav double precision[])
RETURNS TABLE (day date, drawdown double precision, peak_number bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        d.day,
        d.nav / d.peak - 1,
        count(*) FILTER (WHERE d.nav = d.peak) OVER (ORDER BY d.day)
    FROM (
        SELECT
            n.day,
            n.nav,
            max(n.nav) OVER (ORDER BY n.day) AS peak
        FROM unnest(dates, nav) AS n (day, nav)
    ) AS d
$$;
