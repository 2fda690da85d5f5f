-- What was known live beside what is known now: one row per coin, version and feature, of the
-- days that have rows of both origins. Equal are two values with the same reason, or none.
-- Parameters: days.
WITH both_origins AS (
    SELECT s.coin, s.day, s.feature_version
    FROM feature_snapshots AS s
    WHERE s.day = ANY(%(days)s)
    GROUP BY s.coin, s.day, s.feature_version
    HAVING count(DISTINCT s.origin) = 2
),
figures AS (
    SELECT
        s.origin,
        s.coin,
        s.feature_version,
        s.snapshot_at,
        f.feature,
        f.value,
        s.reasons ->> f.feature AS reason
    FROM feature_snapshots AS s
    JOIN both_origins AS b
        ON b.coin = s.coin AND b.day = s.day AND b.feature_version = s.feature_version
    CROSS JOIN LATERAL (
        VALUES
        ('liq_magnet_direction', s.liq_magnet_direction),
        ('oi_vs_7d_avg_ratio', s.oi_vs_7d_avg_ratio),
        ('liq_cascade_active', s.liq_cascade_active),
        ('liq_1h_vs_4h_avg', s.liq_1h_vs_4h_avg),
        ('funding_vs_30d_zscore', s.funding_vs_30d_zscore),
        ('hours_to_funding', s.hours_to_funding),
        ('oi_funding_pressure', s.oi_funding_pressure),
        ('cvd_normalized_5m', s.cvd_normalized_5m),
        ('price_change_5m_pct', s.price_change_5m_pct),
        ('volume_vs_1h_avg_ratio', s.volume_vs_1h_avg_ratio),
        ('realized_vol_1h', s.realized_vol_1h),
        ('sessions_overlapping', s.sessions_overlapping)
    ) AS f (feature, value)
),
live AS (
    SELECT * FROM figures WHERE origin = 'live'
),
backfilled AS (
    SELECT * FROM figures WHERE origin = 'backfill'
),
compared AS (
    SELECT
        coin,
        feature_version,
        feature,
        l.origin IS NOT NULL AND b.origin IS NOT NULL AS is_pair,
        l.value IS NOT DISTINCT FROM b.value AND l.reason IS NOT DISTINCT FROM b.reason AS is_equal,
        abs(l.value - b.value) AS difference,
        b.origin IS NULL AS is_live_only,
        l.origin IS NULL AS is_backfill_only
    FROM live AS l
    FULL JOIN backfilled AS b USING (coin, feature_version, snapshot_at, feature)
)
SELECT
    coin,
    feature_version,
    feature,
    count(*) FILTER (WHERE is_pair) AS rows_compared,
    count(*) FILTER (WHERE is_pair AND is_equal) AS rows_equal,
    count(*) FILTER (WHERE is_pair AND NOT is_equal) AS rows_different,
    max(difference) AS largest_difference,
    count(*) FILTER (WHERE is_live_only) AS rows_live_only,
    count(*) FILTER (WHERE is_backfill_only) AS rows_backfill_only
FROM compared
GROUP BY coin, feature_version, feature
ORDER BY coin, feature_version, feature
