-- Adds [start, end) to what was asked for, and joins it with what it meets or touches.
-- Parameters: address, kind, start, end.
WITH met AS (
    DELETE FROM account_coverage
    WHERE user_address = %(address)s
      AND kind = %(kind)s
      AND covered_from <= %(end)s
      AND covered_until >= %(start)s
    RETURNING covered_from, covered_until
)
INSERT INTO account_coverage (user_address, kind, covered_from, covered_until)
SELECT
    %(address)s,
    %(kind)s,
    least(%(start)s::bigint, min(m.covered_from)),
    greatest(%(end)s::bigint, max(m.covered_until))
FROM met AS m
