-- Parameters: at.
INSERT INTO trader_labels (user_address, rule_set, valid_from, trader_type, rule, inputs)
SELECT user_address, rule_set, %(at)s, trader_type, rule, inputs
FROM evaluated
WHERE is_published
