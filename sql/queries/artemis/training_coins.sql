-- Coins that have back-filled snapshots on some days. Literals: start, end, feature_version.
SELECT DISTINCT coin
FROM feature_snapshots
WHERE day >= {start} AND day < {end} AND origin = 'backfill' AND feature_version = {feature_version}
ORDER BY coin
