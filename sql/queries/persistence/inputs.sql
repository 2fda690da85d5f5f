-- What the test would be made of: equal text, equal figures. Filled in: before.
SELECT md5(concat_ws('|',
    (
        SELECT string_agg(concat_ws(':', relation, day, revision), ',' ORDER BY relation, day)
        FROM aggregate_state
        WHERE relation = 'trader_daily' AND day < {before}
    ),
    (
        SELECT string_agg(concat_ws(':', day, built_from), ',' ORDER BY day)
        FROM label_state
        WHERE day < {before}
    ),
    (
        SELECT string_agg(concat_ws(':', day, generation, source, missing_hours), ',' ORDER BY day)
        FROM day_state
        WHERE day < {before}
    ),
    (
        SELECT string_agg(sha256, ',' ORDER BY name)
        FROM schema_objects
        WHERE kind IN ('function', 'model', 'rows')
    )
)) AS digest
