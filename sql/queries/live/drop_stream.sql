-- The stream is not wanted any more: it ends with what it brought. Parameters: kind, subject.
UPDATE live_streams
SET until = coalesce(known_until + 1, 0), subscribed_at = NULL
WHERE kind = %(kind)s AND subject = %(subject)s AND until IS NULL
