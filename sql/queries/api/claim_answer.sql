-- One row where nobody gave this answer yet: whoever comes at the same time waits here for the
-- first one's transaction. Answers are kept for a day.
WITH old AS (
    DELETE FROM idempotency_keys
    WHERE ctid IN (
        SELECT ctid FROM idempotency_keys
        WHERE created_at < clock_ms() - 86400000
        ORDER BY created_at
        LIMIT 100
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO idempotency_keys (caller, route, key, body_sha256, created_at)
VALUES (%(caller)s, %(route)s, %(key)s, %(body_sha256)s, clock_ms())
ON CONFLICT DO NOTHING
RETURNING true
