-- What this database offers now. `can_create`: TimescaleDB is not installed here, but loaded by the
-- server; creating it where it is not loaded would end the connection. `is_complete`: it is
-- installed, under the licence that has continuous aggregates and the columnstore, and recent
-- enough to attach a chunk (2.21).
SELECT
    installed.it                                                     AS is_installed,
    NOT installed.it
        AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
        AND coalesce((
            SELECT setting ~ '(^|[, ])timescaledb([, ]|$)'
            FROM pg_settings
            WHERE name = 'shared_preload_libraries'
        ), false)                                                    AS can_create,
    installed.it
        AND coalesce(current_setting('timescaledb.license', true) = 'timescale', false)
        AND to_regprocedure('attach_chunk(regclass, regclass, jsonb)') IS NOT NULL AS is_complete
FROM (SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS it) AS installed
