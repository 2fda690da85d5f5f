-- Every condition of every rule.
SELECT rule_set, rule_order, rule, trader_type, metric, comparison, threshold
FROM classification_conditions
ORDER BY rule_set, rule_order, metric, comparison
