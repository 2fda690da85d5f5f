-- Every calendar day from the first on and before as_of: its amount, or 0 where it has none.
-- Dropping quiet days while annualising by days_per_year() would flatter whoever rests.
CREATE OR REPLACE FUNCTION daily_series(
    days date[], amounts double precision[], first_day date, as_of date
)
RETURNS double precision[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(array_agg(coalesce(a.amount, 0) ORDER BY n.number), '{}')
    FROM generate_series(0, as_of - first_day - 1) AS n (number)
    LEFT JOIN unnest(days, amounts) AS a (day, amount) ON a.day = first_day + n.number
$$;
