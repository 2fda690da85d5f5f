-- Parameters: kind, subject.
INSERT INTO live_streams (kind, subject)
VALUES (%(kind)s, %(subject)s)
ON CONFLICT (kind, subject) WHERE until IS NULL DO NOTHING
