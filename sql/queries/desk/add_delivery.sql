-- Parameters: kind, subject_id, channel, payload.
INSERT INTO deliveries (kind, subject_id, channel, payload, created_at, next_attempt)
VALUES (%(kind)s, %(subject_id)s, %(channel)s, %(payload)s, clock_ms(), clock_ms())
ON CONFLICT (kind, subject_id, channel) DO NOTHING
