-- Parameters: days.
SELECT
    day, kind, live_rows, confirmed, differing, missing_in_file, file_rows, unseen,
    unseen_in_gaps, unseen_later, is_final, pruned_at
FROM live_confirmations
WHERE day = ANY(%(days)s::bigint[])
ORDER BY day, kind
