-- A signal that somebody states; he knows what the data know by then, and his own moment.
-- No row: the same was stated before.
INSERT INTO signals (
    trader_id, source, source_key, action, coin, side, leader_time, leader_px, leader_size,
    reduced_share, leverage, confidence, received_at, outcome, evidence
) VALUES (
    %(trader_id)s, 'api', %(source_key)s, %(action)s, %(coin)s, %(side)s, %(leader_time)s,
    %(leader_px)s, %(leader_size)s, %(reduced_share)s, %(leverage)s, %(confidence)s,
    greatest(%(leader_time)s, data_end()), %(outcome)s, %(evidence)s
)
ON CONFLICT (trader_id, source, source_key) DO NOTHING
RETURNING signal_id
