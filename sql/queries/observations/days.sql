-- The loaded days, a row a source: how many, final ones, hours missing, rows delivered again.
SELECT
    source,
    count(*)                                                                     AS days,
    count(*) FILTER (WHERE is_final)                                             AS final_days,
    coalesce(sum(cardinality(missing_hours)), 0)::bigint                         AS missing_hours,
    sum(row_count)::bigint                                                       AS row_count,
    sum(repeated_count)::bigint                                                  AS repeated_count,
    (max(day) + 86400000) / 1000.0                                               AS data_end,
    (max(day) FILTER (WHERE is_final) + 86400000) / 1000.0                       AS final_end
FROM day_state
GROUP BY source
