-- Once per signal. Parameters: trader_id, source, source_key.
INSERT INTO intents (signal_id, trader_id, body, created_at)
SELECT
    s.signal_id, s.trader_id,
    jsonb_build_object(
        'kind', 'intent', 'signal_id', s.signal_id, 'trader_id', s.trader_id, 'name', t.name,
        'user_address', t.user_address, 'action', s.action, 'coin', s.coin, 'side', s.side,
        'size_usd', s.size_usd::text, 'reduced_share', s.reduced_share, 'leader_time', s.leader_time,
        'leader_px', s.leader_px::text, 'max_leverage', t.max_leverage::text
    ),
    clock_ms()
FROM signals AS s
JOIN traders AS t USING (trader_id)
WHERE s.trader_id = %(trader_id)s AND s.source = %(source)s AND s.source_key = %(source_key)s
ON CONFLICT (signal_id) DO NOTHING
RETURNING intent_id, body
