-- Parameters: import_id, after, most. A board's entries beside our own figures of the same addresses.
SELECT
    e.n, e.user_address, e.display_name, e.figures,
    p.trader_type, p.net_pnl, p.sharpe_ratio, p.trading_days,
    t.trader_id
FROM leaderboard_entries AS e
LEFT JOIN trader_profiles AS p USING (user_address)
LEFT JOIN traders AS t ON t.user_address = e.user_address AND t.variant = 1 AND t.archived_at IS NULL
WHERE e.import_id = %(import_id)s AND e.n > %(after)s
ORDER BY e.n
LIMIT %(most)s
