-- Traders by class, as of an instant. Parameters: at, rule_set.
SELECT trader_type, count(*)
FROM trader_labels
WHERE rule_set = %(rule_set)s AND valid_from <= %(at)s AND (valid_to IS NULL OR valid_to > %(at)s)
GROUP BY trader_type
ORDER BY trader_type
