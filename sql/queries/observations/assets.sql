-- When each asset was materialized last, as Dagster told.
SELECT asset, materialized_at / 1000.0 AS materialized_at
FROM pipeline_assets
