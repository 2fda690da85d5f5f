-- Signals from outside that a stretch decides about. Parameters: trader_id, starts_at, ends_at.
SELECT source, source_key, action, coin, side, leader_px, leader_size, reduced_share, leverage,
    confidence, received_at, evidence ->> 'of'
FROM signals
WHERE trader_id = %(trader_id)s AND source <> 'fills'
  AND received_at >= %(starts_at)s AND received_at < %(ends_at)s
  AND (outcome = 'pending' OR settings_version IS NOT NULL)
ORDER BY received_at, signal_id
