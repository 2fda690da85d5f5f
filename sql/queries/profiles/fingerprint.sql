-- What trader_profiles would be computed from now: equal text, equal profiles.
SELECT md5(concat_ws('|',
    (
        SELECT string_agg(concat_ws(':', relation, day, revision), ',' ORDER BY relation, day)
        FROM aggregate_state
        WHERE relation IN ('trader_daily', 'round_trips')
    ),
    (
        SELECT string_agg(sha256, ',' ORDER BY name)
        FROM schema_objects
        WHERE kind <> 'migration'
    )
))
