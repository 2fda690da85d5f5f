-- Each trader's, coin's and builder's history has its index from TimescaleDB. For the live tail,
-- rows that arrive within three days; loaded days are refreshed by those who load them.
-- Literals: relation.
SELECT add_continuous_aggregate_policy(
    {relation},
    start_offset => 259200000::bigint,
    end_offset => 3600000::bigint,
    schedule_interval => interval '1 hour'
)
