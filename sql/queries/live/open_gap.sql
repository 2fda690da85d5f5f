-- A gap that begins where another one of the stream did is the same, and open again.
-- Parameters: kind, subject, from_time, until_time, reason, noted_at, is_lost, detail.
INSERT INTO live_gaps AS g
    (kind, subject, from_time, until_time, reason, noted_at, is_lost, detail)
VALUES (
    %(kind)s, %(subject)s, %(from_time)s, %(until_time)s, %(reason)s, %(noted_at)s, %(is_lost)s,
    %(detail)s
)
ON CONFLICT (kind, subject, from_time) DO UPDATE
SET until_time = greatest(g.until_time, excluded.until_time),
    reason = excluded.reason,
    is_lost = excluded.is_lost,
    detail = excluded.detail,
    closed_at = NULL,
    closed_by = NULL
