-- Leverage of some accounts at their balances snapshots in [start, end), and from when on a record
-- is known to be a fault. Parameters: addresses, start, end.
SELECT
    address,
    recorded_at,
    leverage::double precision AS leverage,
    collapse_known_at
FROM account_equity
WHERE address = ANY(%(addresses)s)
  AND recorded_at >= %(start)s
  AND recorded_at < %(end)s
  AND account_value > 0
  AND leverage IS NOT NULL
ORDER BY address, recorded_at
