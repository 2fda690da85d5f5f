-- What the published figures follow from: the last day built, its figures and labels, and the balances.
SELECT
    m.day + 86400000,
    m.built_from,
    l.built_from,
    (SELECT max(s.built_from) FROM artemis_state AS s WHERE s.relation = 'account_balances' AND s.day = m.day),
    (SELECT count(*) FROM artemis_state AS s WHERE s.relation = 'account_balances')
FROM metric_state AS m
LEFT JOIN label_state AS l ON l.day = m.day
ORDER BY m.day DESC
LIMIT 1
