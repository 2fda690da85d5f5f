-- Parameters: at.
UPDATE trader_labels AS o
SET valid_to = %(at)s
FROM evaluated AS n
WHERE n.is_published
  AND o.user_address = n.user_address AND o.rule_set = n.rule_set AND o.valid_to IS NULL
