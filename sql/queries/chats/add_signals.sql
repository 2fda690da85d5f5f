-- Parameters: known_until (ms of the data). Signals of the messages that are read and followed.
-- A message is known when it is posted, or when the file with it was brought: nothing is acted on
-- in hindsight. Which side a bare "close" means is told by the chat's last signal on that coin.
INSERT INTO signals (
    trader_id, source, source_key, action, coin, side, leader_time, leader_px, leader_size,
    reduced_share, leverage, confidence, received_at, outcome, evidence
)
SELECT
    m.trader_id, 'telegram', m.chat_id || ':' || m.message_id,
    m.parsed ->> 'action', m.parsed ->> 'coin',
    CASE
        WHEN m.parsed ->> 'action' = 'open' THEN CASE m.parsed ->> 'side' WHEN 'long' THEN 'buy' ELSE 'sell' END
        WHEN coalesce(m.parsed ->> 'side', opened.side) = 'short' THEN 'buy'
        ELSE 'sell'
    END,
    m.posted_at,
    ((m.parsed ->> 'entry_low')::numeric + (m.parsed ->> 'entry_high')::numeric) / 2,
    NULL,
    CASE WHEN m.parsed ->> 'action' = 'close' THEN 1 END,
    (m.parsed ->> 'leverage')::float8,
    coalesce((m.parsed ->> 'stated_confidence')::float8, m.confidence),
    greatest(m.posted_at, %(known_until)s),
    CASE
        WHEN m.posted_at < t.followed_from THEN 'before_followed'
        WHEN m.parsed ->> 'action' = 'close' AND coalesce(m.parsed ->> 'side', opened.side) IS NULL THEN 'nothing_open'
        ELSE 'pending'
    END,
    m.parsed || jsonb_build_object(
        'chat_id', m.chat_id, 'message_id', m.message_id,
        'confidence_basis', CASE WHEN m.parsed ? 'stated_confidence' THEN 'stated' ELSE 'parser' END
    )
FROM chat_messages AS m
JOIN traders AS t USING (trader_id)
LEFT JOIN LATERAL (
    SELECT before.parsed ->> 'side' AS side
    FROM chat_messages AS before
    WHERE before.chat_id = m.chat_id AND before.parsed ->> 'action' = 'open'
        AND before.parsed ->> 'coin' = m.parsed ->> 'coin'
        AND (before.posted_at, before.message_id) < (m.posted_at, m.message_id)
    ORDER BY before.posted_at DESC, before.message_id DESC
    LIMIT 1
) AS opened ON true
WHERE m.parsed IS NOT NULL AND t.archived_at IS NULL
ON CONFLICT (trader_id, source, source_key) DO NOTHING
