-- The published rows of some traders, and by which settings they are followed.
SELECT p.*, f.trader_id, f.name, f.state, f.active
FROM published_traders AS p
LEFT JOIN LATERAL (
    SELECT t.trader_id, t.name, t.state, t.active
    FROM traders AS t
    WHERE t.user_address = p.user_address AND t.archived_at IS NULL
    ORDER BY t.variant
    LIMIT 1
) AS f ON true
WHERE p.user_address = ANY (%(addresses)s)
ORDER BY array_position(%(addresses)s, p.user_address)
