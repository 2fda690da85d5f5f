-- One row per loaded UTC day.
SELECT
    day,
    source,
    hours_present || '/' || hours_expected AS hours,
    fills,
    repeated_fills,
    rejected_lines,
    unpriced_fee_fills,
    aggregates_current
FROM data_health
ORDER BY day
