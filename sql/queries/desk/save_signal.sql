-- A signal of fills, under the number that it had.
INSERT INTO signals (
    trader_id, source, source_key, action, coin, side, leader_time, leader_px, leader_size,
    reduced_share, leverage, confidence, received_at, outcome, evidence
) VALUES (
    %(trader_id)s, 'fills', %(source_key)s, %(action)s, %(coin)s, %(side)s, %(leader_time)s,
    %(leader_px)s, %(leader_size)s, %(reduced_share)s, %(leverage)s, %(confidence)s,
    %(leader_time)s, 'pending', %(evidence)s
)
ON CONFLICT (trader_id, source, source_key) DO UPDATE
SET action = excluded.action, coin = excluded.coin, side = excluded.side,
    leader_time = excluded.leader_time, leader_px = excluded.leader_px,
    leader_size = excluded.leader_size, reduced_share = excluded.reduced_share,
    leverage = excluded.leverage, confidence = excluded.confidence,
    received_at = excluded.received_at, outcome = excluded.outcome, settings_version = NULL,
    size_usd = 0, evidence = excluded.evidence
