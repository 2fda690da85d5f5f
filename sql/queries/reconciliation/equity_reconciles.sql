-- The accounts of the day whose equity moved by what is known to move it. Checked: those of which
-- every component is known. Measure: the largest residual, USD. Parameters: day, examples.
WITH accounts AS (
    SELECT * FROM account_reconciliation WHERE day = %(day)s
), missing AS (
    SELECT jsonb_object_agg(component, accounts ORDER BY component) AS by_component
    FROM (
        SELECT m.component, count(*) AS accounts
        FROM accounts AS a
        CROSS JOIN LATERAL unnest(a.missing) AS m (component)
        GROUP BY m.component
    ) AS c
), shown AS (
    SELECT jsonb_build_object(
        'user_address', user_address,
        'time', end_at,
        'residual_usd', residual_usd::text,
        'tolerance_usd', tolerance_usd::text
    ) AS keys
    FROM accounts
    WHERE status = 'unreconciled'
    ORDER BY abs(residual_usd) DESC, user_address
    LIMIT %(examples)s
)
SELECT
    count(residual_usd)                                             AS checked,
    count(*) FILTER (WHERE status = 'unreconciled')                 AS failed,
    max(abs(residual_usd))                                          AS measure,
    jsonb_build_object(
        'incomplete', count(*) FILTER (WHERE status = 'incomplete'),
        'missing', coalesce((SELECT by_component FROM missing), '{}')
    )                                                               AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')             AS examples,
    CASE WHEN count(residual_usd) = 0 THEN 'insufficient_coverage' END AS reason
FROM accounts
