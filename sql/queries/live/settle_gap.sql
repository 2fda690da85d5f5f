-- What became of asking for a gap: closed, or `until_time` is where it ends for good, or neither
-- yet. Parameters: kind, subject, from_time, until_time, reason, is_lost, detail, closed_at,
-- closed_by.
UPDATE live_gaps
SET until_time = %(until_time)s,
    reason = %(reason)s,
    is_lost = %(is_lost)s,
    detail = %(detail)s,
    closed_at = %(closed_at)s,
    closed_by = %(closed_by)s
WHERE kind = %(kind)s AND subject = %(subject)s AND from_time = %(from_time)s
