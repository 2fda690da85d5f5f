-- Parameters: none. Messages belong to whoever is followed as that chat.
UPDATE chat_messages AS m
SET trader_id = t.trader_id
FROM traders AS t
WHERE t.source = 'telegram' AND t.source_ref = m.chat_id AND t.variant = 1 AND t.archived_at IS NULL
    AND m.trader_id IS DISTINCT FROM t.trader_id
