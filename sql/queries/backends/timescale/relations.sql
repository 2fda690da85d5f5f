-- Rows and bytes on disk, indexes and columns included; fills is counted from what was loaded.
SELECT
    'fills'::text                                                  AS relation,
    coalesce((SELECT sum(row_count) FROM day_state), 0)::bigint    AS rows,
    hypertable_size('fills')                                       AS bytes
UNION ALL
SELECT
    a.relation,
    sum(a.row_count)::bigint,
    coalesce(
        (
            SELECT hypertable_size(format(
                '%I.%I', c.materialization_hypertable_schema, c.materialization_hypertable_name
            )::regclass)
            FROM timescaledb_information.continuous_aggregates AS c
            WHERE c.view_schema = 'public' AND c.view_name = a.relation
        ),
        pg_total_relation_size(a.relation::regclass)
    )
FROM aggregate_state AS a
GROUP BY a.relation
UNION ALL
SELECT 'trader_coin_daily', count(*), pg_total_relation_size('trader_coin_daily')
FROM trader_coin_daily
UNION ALL
SELECT 'trader_profiles', p.row_count, pg_total_relation_size('trader_profiles')
FROM profile_state AS p
ORDER BY rows DESC
