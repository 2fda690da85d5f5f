-- What all rules say now, beside what they said at the last evaluation and what is published. A label
-- is left at once, or at the second evaluation in a row that does not confirm it. Parameters: at.
CREATE TEMPORARY TABLE evaluated ON COMMIT DROP AS
SELECT
    n.user_address,
    s.rule_set,
    n.trader_type,
    n.rule,
    n.inputs,
    (e.trader_type, e.rule) IS DISTINCT FROM (n.trader_type, n.rule) AS is_new,
    l.trader_type IS NULL
    OR (l.trader_type, l.rule) <> (n.trader_type, n.rule)
    AND (
        s.evaluations_to_leave = 1
        OR l.trader_type = n.trader_type
        OR e.trader_type <> l.trader_type
    )                                                                AS is_published
FROM rule_sets AS s
CROSS JOIN LATERAL evaluated_traders(%(at)s, s.rule_set) AS n
LEFT JOIN label_evaluations AS e
    ON e.user_address = n.user_address AND e.rule_set = s.rule_set AND e.valid_to IS NULL
LEFT JOIN trader_labels AS l
    ON l.user_address = n.user_address AND l.rule_set = s.rule_set AND l.valid_to IS NULL
