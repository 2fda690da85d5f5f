-- What alerts are decided by: each followed trader's risk at a day's end, and the limits of now; his
-- row is locked. Parameters: date.
SELECT
    t.trader_id, t.name, t.user_address, t.pause_automatically,
    r.current_drawdown, r.win_rate, r.decided_trades, r.consecutive_losses,
    t.drawdown_limit::double precision, t.win_rate_limit::double precision, t.win_rate_min_trades,
    t.consecutive_losses_limit
FROM traders AS t
JOIN trader_risk AS r ON r.trader_id = t.trader_id AND r.date = %(date)s
WHERE t.state <> 'archived'
ORDER BY t.trader_id
FOR UPDATE OF t
