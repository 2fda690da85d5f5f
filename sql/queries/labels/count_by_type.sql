-- Traders by rule set and class, as of an instant. Parameters: at.
SELECT rule_set, trader_type, count(*)
FROM trader_labels
WHERE valid_from <= %(at)s AND (valid_to IS NULL OR valid_to > %(at)s)
GROUP BY rule_set, trader_type
ORDER BY rule_set, trader_type
