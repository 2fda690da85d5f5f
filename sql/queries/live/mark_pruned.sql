-- Parameters: day, now.
UPDATE live_confirmations SET pruned_at = %(now)s WHERE day = %(day)s
