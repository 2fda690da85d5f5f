-- Parameters: received_at, kind, subject, reason, raw.
INSERT INTO live_quarantine (received_at, kind, subject, reason, raw)
VALUES (%(received_at)s, %(kind)s, %(subject)s, %(reason)s, %(raw)s)
