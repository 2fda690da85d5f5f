-- The last days loaded, the newest first.
SELECT day, source, is_simulated, hours_expected, hours_present, missing_hours, is_final, awaits, holes_in_blocks, fills, repeated_fills, rejected_lines, unpriced_fee_fills, aggregates_current, loaded_at, loaded_lag_s, stale_relations, failed_invariants, failed_runs, reasons
FROM data_health
WHERE day >= %(from_day)s
ORDER BY day DESC
LIMIT %(limit)s
