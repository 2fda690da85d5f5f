-- What one trader was called, by which rule, the newest first; only what was decided by `at`.
SELECT rule_set, trader_type, rule, inputs, valid_from, valid_to
FROM trader_labels
WHERE user_address = %(address)s AND valid_from <= %(at)s
ORDER BY valid_from DESC, rule_set
