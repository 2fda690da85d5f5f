-- What a day of smart_money_positions would be built from now: equal text, equal rows. The text
-- changes with the day's fills and those of the day before, with trader_daily and round_trips of
-- any earlier day, and with the rules. NULL for a day that is not loaded.
CREATE OR REPLACE FUNCTION position_inputs(of_day bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT md5(concat_ws('|',
        s.generation,
        (SELECT p.generation FROM day_state AS p WHERE p.day = of_day - 86400000),
        (
            SELECT string_agg(concat_ws(':', a.relation, a.day, a.revision), ',' ORDER BY a.relation, a.day)
            FROM aggregate_state AS a
            WHERE a.relation IN ('trader_daily', 'round_trips')
              AND a.day < of_day
        ),
        (
            SELECT string_agg(o.sha256, ',' ORDER BY o.name)
            FROM schema_objects AS o
            WHERE o.kind IN ('function', 'rows')
        )
    ))
    FROM day_state AS s
    WHERE s.day = of_day
$$;
