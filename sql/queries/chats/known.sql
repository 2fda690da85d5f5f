-- Chats that messages came from, and who is followed as each.
SELECT m.chat_id, count(*) AS messages, count(m.parsed) AS signals, max(m.posted_at) AS last_at,
    t.trader_id, t.name
FROM chat_messages AS m
LEFT JOIN traders AS t
    ON t.source = 'telegram' AND t.source_ref = m.chat_id AND t.variant = 1 AND t.archived_at IS NULL
GROUP BY m.chat_id, t.trader_id, t.name
ORDER BY last_at DESC
