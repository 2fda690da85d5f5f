-- Parameters: session_id, connected_at, heard_at, connections, messages.
UPDATE live_sessions
SET connected_at = %(connected_at)s,
    heard_at = %(heard_at)s,
    connections = connections + %(connections)s,
    messages = messages + %(messages)s
WHERE session_id = %(session_id)s
