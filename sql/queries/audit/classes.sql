-- From which class of the seeds into which of ours, over the traders of now. Parameters: seed, ours.
SELECT s.trader_type, o.trader_type, count(*)
FROM trader_labels AS s
JOIN trader_labels AS o ON o.user_address = s.user_address AND o.rule_set = %(ours)s AND o.valid_to IS NULL
WHERE s.rule_set = %(seed)s AND s.valid_to IS NULL
GROUP BY s.trader_type, o.trader_type
ORDER BY s.trader_type, o.trader_type
