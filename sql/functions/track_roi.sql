-- What the present track made: after a total loss a later deposit begins a new one, whose return
-- is its own. Without a loss it is the whole series. NULL where no track followed, or one of its
-- days has no return.
CREATE OR REPLACE FUNCTION track_roi(returns double precision[]) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH days AS (
        SELECT
            d.number,
            d.daily_return,
            max(d.number) FILTER (WHERE d.daily_return <= -1) OVER () AS ruin
        FROM unnest(returns) WITH ORDINALITY AS d (daily_return, number)
    ), track AS (
        SELECT min(d.number) AS first_day
        FROM days AS d
        WHERE d.ruin IS NULL
           OR (d.number > d.ruin AND d.daily_return IS NOT NULL)
    )
    SELECT i.index[cardinality(i.index)] - 1
    FROM track AS t
    CROSS JOIN LATERAL public.equity_index(returns[t.first_day:]) AS i (index)
    WHERE t.first_day IS NOT NULL
$$;
