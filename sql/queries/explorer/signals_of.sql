-- The last signals of the settings by which an address is followed, and what became of them.
SELECT s.signal_id, s.trader_id, s.action, s.coin, s.side, s.leader_time, s.leader_px, s.leverage, s.confidence, s.outcome, s.size_usd, c.net_pnl_usd
FROM traders AS t
JOIN signals AS s ON s.trader_id = t.trader_id
LEFT JOIN copies AS c ON c.signal_id = s.signal_id
WHERE t.user_address = %(address)s
ORDER BY s.leader_time DESC, s.signal_id DESC
LIMIT %(limit)s
