-- Streams of the live tail that are wanted, and how each is.
SELECT
    kind, subject, connected_since, last_message_at, silent_ms, lag_ms, open_gaps, lost_gaps,
    unconfirmed, stored, repeated, rejected, conflicts
FROM live_state
ORDER BY connected_since IS NOT NULL, kind, subject
