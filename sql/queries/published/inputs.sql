-- What the published figures follow from: the last day built whose figures fit those before it, its
-- figures and labels, and the balances; and last, whether later days are still to be built again.
SELECT
    m.day + 86400000,
    m.built_from,
    l.built_from,
    (SELECT max(s.built_from) FROM artemis_state AS s WHERE s.relation = 'account_balances' AND s.day = m.day),
    (SELECT count(*) FROM artemis_state AS s WHERE s.relation = 'account_balances'),
    EXISTS (SELECT FROM metric_state AS later WHERE later.day > m.day)
FROM metric_state AS m
LEFT JOIN label_state AS l ON l.day = m.day
WHERE m.day = (SELECT max(s.day) FROM settled_days AS s)
