-- Messages of a followed chat, newest first, with what was read from each, or why nothing was.
-- Parameters: trader_id, before_time, before_id (NULL: from the newest), limit.
SELECT m.chat_id, m.message_id, m.posted_at, m.author, m.text, m.parsed, m.confidence, m.reason, s.outcome
FROM chat_messages AS m
LEFT JOIN signals AS s
    ON s.trader_id = m.trader_id AND s.source = 'telegram'
    AND s.source_key = m.chat_id || ':' || m.message_id
WHERE m.trader_id = %(trader_id)s
    AND (%(before_time)s::bigint IS NULL
        OR (m.posted_at, m.message_id) < (%(before_time)s::bigint, %(before_id)s::bigint))
ORDER BY m.posted_at DESC, m.message_id DESC
LIMIT %(limit)s
