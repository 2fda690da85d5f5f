-- Traders by the mean time that their perp positions were held.
SELECT
    CASE width_bucket(avg_hold_hours, ARRAY[0.0167, 0.0833, 0.25, 1, 4, 12, 24, 72, 168])
        WHEN 0 THEN 'below 1 min'
        WHEN 1 THEN '1 to 5 min'
        WHEN 2 THEN '5 to 15 min'
        WHEN 3 THEN '15 to 60 min'
        WHEN 4 THEN '1 to 4 h'
        WHEN 5 THEN '4 to 12 h'
        WHEN 6 THEN '12 to 24 h'
        WHEN 7 THEN '1 to 3 days'
        WHEN 8 THEN '3 to 7 days'
        WHEN 9 THEN 'above 7 days'
        ELSE 'no position seen from flat to flat'
    END             AS held,
    count(*)        AS traders,
    sum(total_volume) AS volume_usd
FROM trader_profiles
GROUP BY width_bucket(avg_hold_hours, ARRAY[0.0167, 0.0833, 0.25, 1, 4, 12, 24, 72, 168])
ORDER BY width_bucket(avg_hold_hours, ARRAY[0.0167, 0.0833, 0.25, 1, 4, 12, 24, 72, 168])
