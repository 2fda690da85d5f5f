-- Parameters: arrays of the messages' columns. An edit replaces what was known of a message, unless
-- a signal stands on it already: that one was acted on.
-- Gives how many are new or changed.
INSERT INTO chat_messages AS m (
    chat_id, message_id, posted_at, author, text, imported_at, parsed, confidence, reason
)
SELECT e.chat_id, e.message_id, e.posted_at, e.author, e.text,
    (extract(epoch FROM now()) * 1000)::bigint, e.parsed, e.confidence, e.reason
FROM unnest(
    %(chat_id)s::text[], %(message_id)s::bigint[], %(posted_at)s::bigint[], %(author)s::text[],
    %(text)s::text[], %(parsed)s::jsonb[], %(confidence)s::float8[], %(reason)s::text[]
) AS e (chat_id, message_id, posted_at, author, text, parsed, confidence, reason)
ON CONFLICT (chat_id, message_id) DO UPDATE
SET posted_at = excluded.posted_at, author = excluded.author, text = excluded.text,
    imported_at = excluded.imported_at, parsed = excluded.parsed,
    confidence = excluded.confidence, reason = excluded.reason
WHERE m.text <> excluded.text AND NOT EXISTS (
    SELECT FROM signals AS s
    WHERE s.source = 'telegram' AND s.source_key = m.chat_id || ':' || m.message_id
)
