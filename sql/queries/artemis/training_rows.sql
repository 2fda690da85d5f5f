-- Back-filled snapshots whose labels are complete. Identifiers: columns. Literals: coin, start,
-- end, feature_version, label_version.
SELECT {columns}
FROM feature_snapshots AS f
JOIN snapshot_labels AS l USING (coin, snapshot_at)
WHERE coin = {coin} AND snapshot_at >= {start} AND snapshot_at < {end}
    AND f.origin = 'backfill' AND f.feature_version = {feature_version}
    AND l.label_version = {label_version}
    AND f.price IS NOT NULL AND l.label_status = 'complete'
ORDER BY snapshot_at
