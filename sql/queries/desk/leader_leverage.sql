-- Effective leverage of a leader's account at some moments: of the last balances snapshot before each
-- that is at most 36 hours old and was not known to be a fault. No row where there is none, or no
-- positive equity. Parameters: user_address, times.
SELECT t.time, (e.total_ntl_pos / e.account_value)::double precision
FROM unnest(%(times)s::bigint[]) AS t (time)
CROSS JOIN LATERAL (
    SELECT b.account_value, b.total_ntl_pos
    FROM account_equity AS b
    WHERE b.address = %(user_address)s AND b.recorded_at < t.time AND b.recorded_at >= t.time - 129600000
      AND (b.collapse_known_at IS NULL OR b.collapse_known_at >= t.time)
    ORDER BY b.recorded_at DESC
    LIMIT 1
) AS e
WHERE e.account_value > 0 AND e.total_ntl_pos IS NOT NULL
