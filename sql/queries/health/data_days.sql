-- Loaded days, newest first, before one of them.
SELECT day, source, is_simulated, hours_expected, hours_present, missing_hours, is_final, awaits,
    holes_in_blocks, fills, repeated_fills, rejected_lines, unpriced_fee_fills, aggregates_current,
    loaded_lag_s, stale_relations, failed_invariants, failed_runs, reasons,
    (extract(epoch FROM loaded_at) * 1000)::bigint AS loaded_at
FROM data_health
WHERE %(before)s::text IS NULL OR day < %(before)s
ORDER BY day DESC
LIMIT %(limit)s
