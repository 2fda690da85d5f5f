-- Parameters: now.
INSERT INTO live_sessions (started_at, heard_at) VALUES (%(now)s, %(now)s) RETURNING session_id
