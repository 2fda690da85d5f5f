-- Who bore a label at an instant, as it was decided by what was known before it.
-- Parameters: label, rule_set, at, most.
SELECT user_address
FROM trader_labels
WHERE rule_set = %(rule_set)s
  AND trader_type = %(label)s
  AND valid_from <= %(at)s
  AND (valid_to IS NULL OR valid_to > %(at)s)
ORDER BY user_address
LIMIT %(most)s
