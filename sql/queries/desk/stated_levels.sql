-- Leverage and confidence of a trader's last openings, for sliders to say what they let pass.
-- Parameters: trader_id, limit.
SELECT leverage, confidence
FROM signals
WHERE trader_id = %(trader_id)s AND action = 'open'
ORDER BY leader_time DESC, signal_id DESC
LIMIT %(limit)s
