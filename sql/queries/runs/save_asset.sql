-- When an asset was materialized last. Parameters: the columns.
INSERT INTO pipeline_assets (asset, materialized_at, partition, run_id)
VALUES (%(asset)s, %(materialized_at)s, %(partition)s, %(run_id)s)
ON CONFLICT (asset) DO UPDATE
SET
    materialized_at = excluded.materialized_at,
    partition = excluded.partition,
    run_id = excluded.run_id
WHERE pipeline_assets.materialized_at < excluded.materialized_at
