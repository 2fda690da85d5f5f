-- The best of a class, as labels stand, with the figures that lists show. Parameters: rule_set,
-- trader_type, by, limit.
SELECT p.*, l.valid_from, l.rule, f.trader_id, f.name, f.state, f.active
FROM trader_labels AS l
JOIN published_traders AS p USING (user_address)
LEFT JOIN LATERAL (
    SELECT t.trader_id, t.name, t.state, t.active
    FROM traders AS t
    WHERE t.user_address = p.user_address AND t.archived_at IS NULL
    ORDER BY t.variant
    LIMIT 1
) AS f ON true
WHERE l.rule_set = %(rule_set)s AND l.trader_type = %(trader_type)s AND l.valid_to IS NULL
ORDER BY
    CASE %(by)s
        WHEN 'sharpe_ratio' THEN p.sharpe_ratio
        WHEN 'roi_all' THEN p.roi_all
        WHEN 'win_rate' THEN p.win_rate
        ELSE p.net_pnl::double precision
    END DESC NULLS LAST,
    p.user_address
LIMIT %(limit)s
