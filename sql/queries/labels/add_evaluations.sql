-- Parameters: at.
INSERT INTO label_evaluations (user_address, rule_set, valid_from, trader_type, rule)
SELECT user_address, rule_set, %(at)s, trader_type, rule
FROM evaluated
WHERE is_new
