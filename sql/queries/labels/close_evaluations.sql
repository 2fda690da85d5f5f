-- Parameters: at.
UPDATE label_evaluations AS o
SET valid_to = %(at)s
FROM evaluated AS n
WHERE n.is_new
  AND o.user_address = n.user_address AND o.rule_set = n.rule_set AND o.valid_to IS NULL
