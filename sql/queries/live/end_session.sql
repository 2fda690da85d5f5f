-- Parameters: session_id, now.
UPDATE live_sessions
SET ended_at = %(now)s, connected_at = NULL
WHERE session_id = %(session_id)s
