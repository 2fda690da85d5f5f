-- How many bear each label now.
SELECT rule_set, trader_type, count(*) AS traders
FROM trader_labels
WHERE valid_to IS NULL
GROUP BY 1, 2
ORDER BY rule_set DESC, traders DESC
