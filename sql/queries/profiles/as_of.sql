-- The profile of one trader from the days before a midnight, and what he was called at it.
SELECT m.*, l.trader_type, l.rule AS trader_type_rule
FROM trader_metrics_before(%(at)s) AS m
LEFT JOIN LATERAL (
    SELECT trader_type, rule
    FROM trader_labels AS t
    WHERE t.user_address = m.user_address AND t.rule_set = %(rule_set)s
        AND t.valid_from <= %(at)s AND (t.valid_to IS NULL OR t.valid_to > %(at)s)
    ORDER BY t.valid_from DESC
    LIMIT 1
) AS l ON true
WHERE m.user_address = %(address)s
