-- seed_audit in one line a figure. Relative differences are of the larger of the two in size.
SELECT
    metric,
    count(*)                                                       AS traders,
    count(*) FILTER (WHERE corrected_value IS NULL AND seed_value IS NOT NULL) AS undefined_now,
    count(*) FILTER (WHERE difference <> 0)                        AS different,
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY (abs(difference) / nullif(greatest(abs(seed_value), abs(corrected_value)), 0))::double precision
    )                                                              AS median_relative_difference,
    max(abs(difference))                                           AS largest_difference,
    max(cause)                                                     AS cause
FROM seed_audit
GROUP BY metric
ORDER BY metric
