-- Who was smart money at instants at which labels are built: all that hold there. A row without a
-- trader: nobody. Filled in: ends (ms, midnights), rule_sets.
SELECT s.day + 86400000 AS as_of, r.rule_set, l.user_address
FROM label_state AS s
CROSS JOIN unnest({rule_sets}::text[]) AS r (rule_set)
LEFT JOIN trader_labels AS l
    ON l.rule_set = r.rule_set AND l.trader_type = 'SMART_DIRECTIONAL'
    AND l.valid_from <= s.day + 86400000 AND (l.valid_to IS NULL OR l.valid_to > s.day + 86400000)
WHERE s.day + 86400000 = ANY ({ends}::bigint[])
ORDER BY as_of, rule_set, user_address
