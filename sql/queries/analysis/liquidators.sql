-- Who took the other side of liquidations; the victims are not among them.
SELECT
    liquidator,
    count(*)                        AS trades,
    count(DISTINCT liquidated_user) AS victims,
    sum(notional)                   AS notional_usd
FROM recent_liquidations
WHERE liquidator IS NOT NULL
GROUP BY liquidator
ORDER BY notional_usd DESC, liquidator
LIMIT 15
