-- Stretches of one kind that were asked for and meet [start, end), in order.
-- Parameters: address, kind, start, end.
SELECT covered_from, covered_until
FROM account_coverage
WHERE user_address = %(address)s
  AND kind = %(kind)s
  AND covered_from < %(end)s
  AND covered_until > %(start)s
ORDER BY covered_from
